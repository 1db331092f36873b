"""Checkpoints that people have, read without torch and without the packages that they name."""

import subprocess
import sys
import zlib
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import ModelError
from stages.detector.yolo_nas.card import ModelCard, read_card, read_metadata, with_names
from stages.detector.yolo_nas.checkpoint import read_arrays, read_contents, recognised
from stages.detector.yolo_nas.class_names import COCO
from stages.detector.yolo_nas.layouts import LAYOUTS
from stages.detector.yolo_nas.model import YoloNas, build
from stages.detector.yolo_nas.weights import load, load_model
from tests.stages.detector.reference import filled

PICKLED: Final = "yolo_nas_s_pickled_constant.pt"
TRAINED: Final = "yolo_nas_s_sg_constant.pth"
KERNEL: Final = "backbone.stem.conv.branch_3x3.conv.weight"


def constant(key: str) -> float:
    """Return the value that fills a tensor of the two reference checkpoints."""
    return 0.0 if key.endswith("num_batches_tracked") else (zlib.crc32(key.encode()) % 1000 + 1) / 1000


@pytest.fixture(scope="session")
def network(shared: Path) -> YoloNas:
    return filled(shared, "n", 2)


def saved(path: Path, content: Any) -> str:
    torch.save(content, path)
    return str(path)


def same(network: YoloNas, model: str) -> bool:
    found, wanted = load_model(model)[0].state_dict(), network.state_dict()
    return all(torch.equal(found[key], wanted[key]) for key in wanted if "rbr_reparam" not in key)


@pytest.mark.parametrize(("name", "added"), [(PICKLED, 0), (TRAINED, 1)])
def test_every_tensor_of_a_reference_checkpoint_has_its_value(shared: Path, name: str, added: int) -> None:
    arrays = read_arrays(shared / "conformance" / name)
    table = (shared / "conformance" / "S_state_dict.tsv").read_text().splitlines()[1:]
    wanted = {line.split("\t")[0]: line.split("\t")[1] for line in table}
    assert set(arrays) == set(wanted)
    for key, array in arrays.items():
        extra = added if key.startswith("heads.") and array.dtype == np.float32 else 0
        assert "x".join(map(str, array.shape)) == wanted[key].replace("scalar", "")
        np.testing.assert_array_equal(array, np.asarray(constant(key), array.dtype) + array.dtype.type(extra))


@pytest.mark.parametrize("name", [PICKLED, TRAINED])
def test_reference_checkpoint_tells_its_layout_classes_and_sizes(shared: Path, name: str) -> None:
    card = read_card(str(shared / "conformance" / name))
    assert card == ModelCard("s", COCO, (640, 640), conf=0.25, iou=0.7)


@pytest.mark.parametrize(("name", "added"), [(PICKLED, 0), (TRAINED, 1)])
def test_reference_checkpoint_becomes_a_network(shared: Path, name: str, added: int) -> None:
    network, card = load_model(str(shared / "conformance" / name))
    weights = network.state_dict()
    assert (card.layout, network.training) == ("s", False)
    for key in (KERNEL, "heads.head1.cls_pred.bias"):
        assert torch.all(weights[key] == torch.tensor(constant(key)) + (added if key.startswith("heads.") else 0))


def test_card_of_a_checkpoint_is_read_without_torch(shared: Path) -> None:
    code = (
        "import sys; from stages.detector.yolo_nas.card import read_card;"
        "assert read_card(sys.argv[1]).layout == 's'; assert 'torch' not in sys.modules"
    )
    file = shared / "conformance" / PICKLED
    subprocess.run([sys.executable, "-c", code, file], check=True, cwd=Path(__file__).parents[4])


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda state: state, id="plain"),
        pytest.param(lambda state: {"net": state, "ema_net": None, "epoch": 3}, id="net"),
        pytest.param(lambda state: {"net": {}, "ema_net": state, "acc": torch.tensor(0.5)}, id="ema_net"),
        pytest.param(lambda state: {"net": {f"module.{key}": value for key, value in state.items()}}, id="module."),
        pytest.param(lambda state: {"state_dict": {f"model.{k}": v for k, v in state.items()}}, id="model."),
        pytest.param(lambda state: {"state_dict": {"model.x": 1}, "ema_state_dict": state}, id="ema_state_dict"),
        pytest.param(lambda state: OrderedDict(state) | {"heads.proj_conv": torch.zeros(1)}, id="derived buffer"),
    ],
)
def test_state_dict_is_found_in_what_trainers_save(network: YoloNas, tmp_path: Path, wrap: Any) -> None:
    assert same(network, saved(tmp_path / "x.pth", wrap(network.state_dict())))


def test_pickled_module_of_ours_is_read_like_a_state_dict(network: YoloNas, tmp_path: Path) -> None:
    assert same(network, saved(tmp_path / "x.pt", network))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(network: YoloNas, tmp_path: Path, dtype: torch.dtype) -> None:
    state = {key: value.to(dtype) for key, value in network.state_dict().items()}
    found = load_model(saved(tmp_path / "x.pt", state))[0].state_dict()
    assert all(torch.equal(found[key], state[key].float()) for key in state if "rbr" not in key and "num" not in key)


def test_tensors_in_another_memory_order_are_read_right(network: YoloNas, tmp_path: Path) -> None:
    state = {k: v.to(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in network.state_dict().items()}
    assert same(network, saved(tmp_path / "x.pt", state))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_plain_safetensors_are_read_like_a_state_dict(network: YoloNas, tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "x.safetensors"
    save_file({prefix + key: value for key, value in network.state_dict().items()}, path, {"names": '["car", "bus"]'})
    assert same(network, str(path))
    assert read_metadata(path) == ModelCard("n", ("car", "bus"), (640, 640))


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_layout_and_class_count_are_recognised_by_shapes(layout: Any) -> None:
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in build(layout, 7).state_dict().items()}
    assert recognised(shapes) == (layout, 7)


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({}, ModelCard("n", ("class_0", "class_1"), (640, 640), named_by="default")),
        ({"names": {0: "car", 1: "bus"}}, ModelCard("n", ("car", "bus"), (640, 640))),
        ({"class_names": ["one"]}, ModelCard("n", ("class_0", "class_1"), (640, 640), named_by="default")),
        (
            {"processing_params": {"class_names": ["car", "bus"], "conf": 0.5, "iou": 0.65}},
            ModelCard("n", ("car", "bus"), (640, 640), conf=0.5, iou=0.65),
        ),
        (
            {"hyper_parameters": {"num_classes": 2, "input_size": 320}},
            ModelCard("n", ("class_0", "class_1"), (320, 320), named_by="default"),
        ),
        (
            {"hyper_parameters": {"input_size": 333}},
            ModelCard("n", ("class_0", "class_1"), (640, 640), named_by="default"),
        ),
        ({"processing_params": None}, ModelCard("n", ("class_0", "class_1"), (640, 640), named_by="default")),
    ],
)
def test_names_and_thresholds_are_those_of_the_checkpoint(
    network: YoloNas, tmp_path: Path, told: dict[str, Any], wanted: ModelCard
) -> None:
    assert read_card(saved(tmp_path / "x.pth", {"net": network.state_dict(), **told})) == wanted


def test_eighty_classes_without_names_are_those_of_coco(tmp_path: Path) -> None:
    card = read_card(saved(tmp_path / "x.pth", build("n", 80).state_dict()))
    assert (card.class_names, card.named_by) == (COCO, "default")


def test_user_names_the_classes_of_a_model() -> None:
    card = ModelCard("n", ("class_0", "class_1"), (640, 640), named_by="default")
    assert with_names(card, ("car", "bus")) == replace(card, class_names=("car", "bus"), named_by="user")
    with pytest.raises(ModelError, match="1 class names were given, the model has 2 classes"):
        with_names(card, ("car",))


def test_missing_surplus_and_misshapen_tensors_are_named(network: YoloNas, tmp_path: Path) -> None:
    state = network.state_dict()
    state["heads.head3.cls_pred.bias"] = torch.zeros(5)
    state["backbone.first"] = state.pop(KERNEL)
    with pytest.raises(ModelError) as caught:
        load(Path(saved(tmp_path / "x.pth", state)))
    assert str(caught.value).endswith(
        f"x.pth does not fit layout 'n' with 2 classes: 1 tensors are missing: {KERNEL}; "
        "1 tensors have another shape: heads.head3.cls_pred.bias; 1 tensors are unknown: backbone.first"
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({}, "holds no weights"),
        ([1, 2], "holds no weights"),
        ({"epoch": 3}, "holds no state dict of a detector: epoch is a int"),
        ({"fc.weight": torch.zeros(3)}, "is no YOLO-NAS detector: its 1 tensors"),
        ({1: torch.zeros(3)}, "has a int as a name"),
    ],
)
def test_file_of_something_else_is_refused(tmp_path: Path, content: Any, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        read_card(saved(tmp_path / "x.pth", content))


def test_file_in_torchs_old_format_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save({"net": {}}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match=r"old\.pth is in torch's format before 1\.6: load it with torch and save it"):
        read_card(str(path))


def test_truncated_checkpoint_is_named(network: YoloNas, tmp_path: Path) -> None:
    path = Path(saved(tmp_path / "cut.pth", network.state_dict()))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"cut\.pth can't be read as a checkpoint"):
        load(path)


def test_changed_byte_of_a_tensor_is_noticed(network: YoloNas, tmp_path: Path) -> None:
    path = Path(saved(tmp_path / "x.pth", network.state_dict()))
    data = bytearray(path.read_bytes())
    data[data.index(network.get_parameter(KERNEL).detach().numpy().tobytes()) + 100] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="is damaged: Bad CRC-32"):
        read_contents(path)
        load(path)
