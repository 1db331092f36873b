from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.errors import ModelError
from stages.detector.yolo_nas.card import ModelCard
from stages.detector.yolo_nas.weights import load, load_model, save
from tests.stages.detector.reference import filled

CARD = ModelCard("n", ("car", "bus"), (64, 96))


@pytest.fixture(scope="module")
def stored(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "car.safetensors"
    save(path, filled(shared, "n", 2), CARD)
    return path


def test_loaded_network_is_the_saved_one(shared: Path, stored: Path) -> None:
    network, card = load(stored)
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        ours, saved = network(image), filled(shared, "n", 2)(image)
    assert card == CARD
    assert all(torch.equal(a, b) for a, b in zip(ours, saved, strict=True))


def test_float16_file_is_about_half_as_large_and_loads_as_float32(shared: Path, stored: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save(path, filled(shared, "n", 2), CARD, torch.float16)
    network, _ = load(path)
    assert path.stat().st_size < 0.52 * stored.stat().st_size
    assert {value.dtype for value in network.parameters()} == {torch.float32}


def test_missing_tensors_are_named(stored: Path, tmp_path: Path) -> None:
    tensors = load_file(stored)
    del tensors["heads.head1.cls_pred.bias"]
    path = tmp_path / "short.safetensors"
    save_file(tensors, path, CARD.to_metadata())
    with pytest.raises(ModelError, match=r"short\.safetensors .*1 tensors are missing: heads\.head1\.cls_pred\.bias"):
        load(path)


def test_tensors_of_another_shape_are_named(stored: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(load_file(stored), path, ModelCard("n", ("a", "b", "c"), (64, 96)).to_metadata())
    with pytest.raises(ModelError, match=r"3 classes: 6 tensors have another shape: heads\.head1\.cls_pred"):
        load(path)


def test_unknown_tensors_are_named(stored: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.safetensors"
    save_file(load_file(stored) | {"extra": torch.zeros(1)}, path, CARD.to_metadata())
    with pytest.raises(ModelError, match="1 tensors are unknown: extra"):
        load(path)


def test_truncated_file_is_named(stored: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(stored.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"cut\.safetensors can't be read"):
        load(path)


def test_file_in_a_missing_folder_can_not_be_written(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't be written"):
        save(tmp_path / "nowhere" / "x.safetensors", filled(shared, "n", 2), CARD)


def test_random_network_is_the_same_each_time_and_leaves_the_random_generator_alone() -> None:
    torch.manual_seed(7)
    first, card = load_model("random:n")
    after = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(after, torch.rand(1))
    second, _ = load_model("random:n")
    kernel = "backbone.stem.conv.branch_3x3.conv.weight"
    assert torch.equal(first.get_parameter(kernel), second.get_parameter(kernel))
    assert (card.layout, first.training) == ("n", False)


def test_activations_of_a_random_network_keep_their_size() -> None:
    network, _ = load_model("random:n")
    with torch.inference_mode():
        features = network.neck(*network.backbone(torch.rand(1, 3, 128, 128)))
    assert all(0.05 < float(feature.std()) < 50 for feature in features)
