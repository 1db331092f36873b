"""`detstream export --int8`, in this process; the network is the one that all tests share."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detstream import quantize
from detstream.measuring import Share
from pipeline.cli.main import app, main
from tests.small_int8 import CLIP, graph, quantized

SMALL = ("--int8", "--imgsz", "128x224", "--calibration", str(CLIP))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that fails; return its exit code and its only line."""

    def said(*arguments: str) -> str:
        output = tmp_path / "out"
        monkeypatch.setattr(sys, "argv", ["detstream", "export", "--output", str(output), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and not output.exists()
        return f"{ended.value.code} {err.strip()}"

    return said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--int8",), "2 detstream: int8: needs calibration: a video or folder of pictures like those that will come"),
        ((*SMALL, "--half"), "2 detstream: int8: for one image of a fixed size"),
        ((*SMALL, "--dynamic"), "2 detstream: int8: for one image of a fixed size"),
        ((*SMALL, "--batch", "4"), "2 detstream: int8: for one image of a fixed size"),
        (
            (*SMALL, "--format", "tensorrt"),
            "2 detstream: int8: for one image of a fixed size, in format onnx",
        ),
        (("--calibration", "a.mp4"), "2 detstream: calibration: only with int8"),
        (("--data", "data.yaml"), "2 detstream: data: only with int8"),
        (("--max-drop", "1"), "2 detstream: max_drop: only with int8"),
        ((*SMALL, "--data", "none.yaml"), "2 detstream: data: there is no file none.yaml"),
        (("--int8", "--calibration", "none.mp4"), "2 detstream: none.mp4"),
    ],
)
def test_wrong_usage_is_one_line(said: Callable[..., str], arguments: tuple[str, ...], line: str) -> None:
    assert said(*arguments).startswith(line)


def test_without_nncf_the_line_names_the_extra(said: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda name: None if name == "nncf" else name)
    assert said(*SMALL).endswith("nncf is needed: pip install 'detstream[int8]'")


def test_it_writes_the_model_shows_what_became_of_it_and_prints_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(quantize, "_NETWORKS", {"onnx": lambda *_: quantized("onnx")})
    monkeypatch.setattr(quantize, "convert", lambda *_: graph())
    monkeypatch.setattr(quantize, "_ROUNDS", 1)
    monkeypatch.setattr(quantize, "_SHARE", Share(images=1))
    path = tmp_path / "demo.onnx"
    ended = CliRunner().invoke(app, ["export", *SMALL, "--output", str(path)])
    assert ended.exit_code == 0, ended.output
    assert ended.stdout == f"{path}\n" and path.stat().st_size < 7e6
    lines = ended.stderr.splitlines()
    assert lines[0].strip() == "demo at 128x224, onnx"
    assert lines[1].split() == ["images/s", "ratio", "MB", "AP", "AP50"]
    assert [line.split()[0] for line in lines[2:4]] == ["float", "int8"]
    assert lines[2].split()[2:] == ["1.00", "21.9"]
    assert lines[4] == "its accuracy is not checked, so the engine auto won't use it: check it with --data"
