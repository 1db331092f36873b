from pathlib import Path

import onnxruntime
import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.errors import ConfigError, SinkError


def test_it_writes_a_model_and_prints_where(tmp_path: Path) -> None:
    path = tmp_path / "random.onnx"
    wanted = ["--model", "random:n", "--imgsz", "64x96", "--nms", "--batch", "2", "--output", str(path)]
    ended = CliRunner().invoke(app, ["export", *wanted])
    assert ended.exit_code == 0, ended.output
    assert ended.stdout == f"{path}\n"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [2, 64, 96, 3]
    assert [(output.name, output.shape) for output in session.get_outputs()] == [("detections", [2, 300, 6])]
    again = CliRunner().invoke(app, ["export", *wanted])
    assert isinstance(again.exception, SinkError)


@pytest.mark.parametrize("wrong", [["--imgsz", "100"], ["--format", "openvino", "--nms"], ["--conf", "0.5"]])
def test_wrong_usage_is_an_error_of_ours(tmp_path: Path, wrong: list[str]) -> None:
    ended = CliRunner().invoke(app, ["export", "--output", str(tmp_path / "out"), *wrong])
    assert isinstance(ended.exception, ConfigError)
    assert list(tmp_path.iterdir()) == []
