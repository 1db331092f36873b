"""`detstream benchmark`, in this process, with a few images."""

import json
from collections.abc import Iterator

import pytest
import structlog
from typer.testing import CliRunner, Result

from pipeline.cli.main import app
from pipeline.errors import ConfigError

FEW = ("--model", "random:n", "--imgsz", "64", "--images", "2")


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """The command sends the log to the standard error that it has here, which is closed afterwards."""
    yield
    structlog.reset_defaults()


def benchmark(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["benchmark", *arguments])


def test_it_shows_a_row_for_each_engine_and_batch_and_says_what_ran() -> None:
    ended = benchmark(*FEW, "--engines", "openvino,torch", "--batch", "2,1", "--batch", "1,2")
    assert ended.exit_code == 0, ended.output
    rows = [line.split()[:2] for line in ended.stdout.splitlines()]
    places = [rows.index(row) for row in (["openvino", "1"], ["openvino", "2"], ["torch", "1"], ["torch", "2"])]
    assert places == sorted(places)
    assert "openvino: openvino cpu" in ended.stdout and "torch: torch cpu" in ended.stdout
    assert ended.stderr == ""


def test_an_engine_that_can_not_run_is_one_line_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    ended = benchmark(*FEW, "--engines", "torch-cuda,openvino")
    assert ended.exit_code == 0, ended.output
    assert "torch-cuda: not measured: device: cuda is set, but torch finds no CUDA GPU" in ended.stdout.splitlines()


def test_json_is_one_object() -> None:
    ended = benchmark(*FEW, "--engines", "openvino", "--batch", "1,2", "--json")
    report = json.loads(ended.stdout)
    assert [(row["engine"], row["batch"], row["submits"]) for row in report["rows"]] == [
        ("openvino", 1, 1),
        ("openvino", 2, 2),
    ]
    assert report["model"] == "random:n" and report["input_size"] == [64, 64]
    assert report["refusals"] == [] and report["data"] is None


def test_it_fails_if_nothing_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    ended = benchmark(*FEW, "--engines", "torch-cuda", "--json")
    assert ended.exit_code == 1
    assert ended.stderr == "detstream: none of these engines can run here\n"
    assert json.loads(ended.stdout)["rows"] == []


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (("--engines", "fast"), "engines: there is no 'fast'"),
        (("--batch", "1;4"), "batch: '1;4': give numbers"),
        (("--batch", "0"), "batch: 0: give 1 to 256"),
        (("--imgsz", "100"), "multiples of 32"),
        (("--images", "1", "--seconds", "1"), "choose one"),
        (("--data", "none.yaml"), "there is no file none.yaml"),
    ],
)
def test_wrong_usage_is_an_error_of_ours(wrong: tuple[str, ...], line: str) -> None:
    ended = benchmark(*wrong)
    assert isinstance(ended.exception, ConfigError) and line in str(ended.exception)
