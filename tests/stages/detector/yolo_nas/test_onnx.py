from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import EngineError, ModelError
from stages.detector.yolo_nas import onnx
from stages.detector.yolo_nas.card import read_card
from stages.detector.yolo_nas.onnx import Form, convert, converted


def test_second_use_takes_what_the_first_one_made(small_model: str, converted_models: Path) -> None:
    path = converted(small_model, read_card(small_model), converted_models)
    before = path.stat().st_mtime_ns
    assert converted(small_model, read_card(small_model), converted_models) == path
    assert path.stat().st_mtime_ns == before


def test_other_precision_and_size_are_other_entries(
    small_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "_save", lambda model, card, folder, form: (folder / "model.onnx").touch())
    card = read_card(small_model)
    small = replace(card, input_size=(64, 64))
    found = {
        converted(small_model, card, tmp_path),
        converted(small_model, card, tmp_path, half=True),
        converted(small_model, small, tmp_path),
    }
    assert len(found) == 3


def test_file_that_is_onnx_already_is_not_converted(tmp_path: Path, small_model: str) -> None:
    path = tmp_path / "mine.onnx"
    path.touch()
    assert converted(str(path), read_card(small_model), tmp_path / "cache") == path
    assert not (tmp_path / "cache").exists()


def test_failed_conversion_leaves_nothing_behind(tmp_path: Path, small_model: str) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(Path(small_model).read_bytes()[:-100])
    with pytest.raises(ModelError):
        converted(str(damaged), read_card(small_model), tmp_path / "cache")
    assert list((tmp_path / "cache" / "onnx").iterdir()) == []


def test_missing_package_is_one_line_with_the_extra_to_install(
    small_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"pip install 'detstream\[onnx\]'"):
        convert(small_model, read_card(small_model), Form())


def test_half_keeps_kernels_in_16_bits_and_decodes_in_32(small_model: str) -> None:
    graph = convert(small_model, read_card(small_model), Form(half=True)).graph
    kernels = [value for value in graph.initializer if len(value.dims) == 4]
    assert kernels and all(value.data_type == 10 for value in kernels)
    assert [output.type.tensor_type.elem_type for output in graph.output] == [1, 1]
