"""What can be asked for, and what becomes of files; nothing is converted here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, EngineError, SinkError
from stages.detector import export as module
from stages.detector.export import Export, export


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is converted."""
    monkeypatch.setattr(module, "_write_onnx", lambda task, path: path.write_text(str(task.card.input_size)))


@pytest.mark.usefixtures("quick")
def test_output_is_named_after_the_model_and_lies_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [export(model, Export()).name for model in ("demo", "random:n")] == ["demo.onnx", "random_n.onnx"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.onnx", "random_n.onnx"]


@pytest.mark.usefixtures("quick")
def test_what_is_there_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "new" / "demo.onnx"
    export("demo", Export(), path)
    with pytest.raises(SinkError, match=r"demo\.onnx exists.*--force"):
        export("demo", Export(input_size=(64, 96)), path)
    assert path.read_text() == "(320, 320)"
    assert export("demo", Export(input_size=(64, 96)), path, force=True).read_text() == "(64, 96)"


def test_failed_export_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_onnx", fail)
    path = tmp_path / "demo.onnx"
    path.write_text("old")
    with pytest.raises(SinkError, match=r"demo\.onnx can't be written: No space left"):
        export("demo", Export(), path, force=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("demo.onnx", "old")]


def test_missing_tensorrt_is_one_line_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="TensorRT isn't installed: pip install tensorrt"):
        export("demo", Export("tensorrt"), tmp_path / "demo.engine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"format": "coreml"}, "there is no 'coreml'; there are: onnx, openvino, tensorrt"),
        ({"format": "openvino", "nms": True}, "nms: only with format onnx"),
        ({"batch": 0}, "batch: 0"),
        ({"conf": 0.5}, "conf: 0.5: give 0 to 1, with nms only"),
        ({"nms": True, "iou": 1.5}, "iou: 1.5"),
    ],
)
def test_wrong_wish_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(Export(), **wrong)
