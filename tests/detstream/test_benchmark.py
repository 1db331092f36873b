"""Engines side by side: real ones, with a few images each."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from detstream.benchmark import Report, benchmark
from detstream.datasets import read_dataset
from detstream.engines import ENGINES
from detstream.measuring import Effort
from pipeline.errors import ConfigError, EngineError, ModelError
from stages.detector.engine import RawBoxes
from stages.detector.int8.store import Runtime
from stages.detector.onnx_session import OnnxInference
from tests.detstream.labelled import HELD_OUT
from tests.small_int8 import SIZE, shelved

FEW = Effort(images=2, rounds=2)
CPU = ("torch", "onnxruntime", "openvino")
INT8 = ("openvino-int8", "onnxruntime-int8")


@pytest.fixture(scope="module")
def report() -> Report:
    return benchmark("random:n", CPU, (1, 2), input_size=(64, 96), effort=FEW)


def test_each_engine_has_a_row_for_each_batch(report: Report) -> None:
    assert [(row.engine, row.batch) for row in report.rows] == [(name, batch) for name in CPU for batch in (1, 2)]
    assert report.refusals == ()
    assert report.input_size == (64, 96)
    assert all(0 < row.ms_p50 <= row.ms_p95 and row.images_s > 0 for row in report.rows)


def test_only_an_engine_without_batches_takes_one_in_several_submits(report: Report) -> None:
    assert {row.engine: row.submits for row in report.rows if row.batch == 2} == {
        "torch": 1,
        "onnxruntime": 1,
        "openvino": 2,
    }


def test_the_size_is_that_of_what_it_loads(report: Report) -> None:
    sizes = {row.engine: row.size for row in report.rows}
    assert sizes["torch"] is None, "random weights are in no file"
    assert (sizes["onnxruntime"] or 0) > 10e6 and (sizes["openvino"] or 0) > 10e6


def test_the_average_precision_is_that_of_the_data_set() -> None:
    data = read_dataset(HELD_OUT / "data.yaml")
    (row,) = benchmark("demo", ("openvino",), dataset=data, effort=FEW).rows
    assert row.map50 is not None and row.map50 > 0.9
    assert row.map is not None and row.map > 0.7
    assert (row.size or 0) > 10e6


@pytest.mark.parametrize(("name", "runtime"), [("openvino-int8", "openvino"), ("onnxruntime-int8", "onnx")])
def test_int8_is_measured_if_it_was_made_and_else_the_line_says_how(
    name: str, runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (refusal,) = benchmark("demo", (name,), input_size=SIZE, effort=FEW).refusals
    assert refusal.engine == name and "make it: detstream export" in refusal.reason
    entry = shelved(tmp_path / ".cache/detstream", runtime, passed=False)
    (row,) = benchmark("demo", (name,), (2,), input_size=SIZE, effort=FEW).rows
    assert row.ran_on.split(",")[0].endswith("cpu int8") and row.submits == 2
    assert row.size == sum(file.stat().st_size for file in entry.glob("model.*"))


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_an_engine_that_is_not_here_is_a_line_and_the_others_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise EngineError(f"no {name} here")

    monkeypatch.setattr(type(ENGINES[name]), "build", refuse)
    other = "torch" if not name.startswith("torch") else "openvino"
    report = benchmark("random:n", (name, other), input_size=(64, 64), effort=FEW)
    assert [(refusal.engine, refusal.reason) for refusal in report.refusals] == [(name, f"no {name} here")]
    assert {row.engine for row in report.rows} == {other}


def test_an_engine_that_fails_with_one_batch_is_measured_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = OnnxInference.submit

    def submit(self: OnnxInference, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        if len(images) > 8:
            raise EngineError("out of memory")
        return whole(self, images)

    monkeypatch.setattr(OnnxInference, "submit", submit)
    report = benchmark("random:n", ("onnxruntime",), (1, 16), input_size=(64, 64), effort=FEW)
    assert [row.batch for row in report.rows] == [1]
    assert [(refusal.batch, refusal.reason) for refusal in report.refusals] == [(16, "out of memory")]


def test_float16_is_for_those_that_have_it() -> None:
    report = benchmark("random:n", (*CPU, *INT8), half=True, effort=FEW)
    assert report.rows == ()
    assert [refusal.engine for refusal in report.refusals] == [*CPU, *INT8]
    assert ["float32" in refusal.reason for refusal in report.refusals] == [True] * 3 + [False] * 2
    assert all("8-bit integers" in refusal.reason for refusal in report.refusals[3:])


def test_progress_is_told_from_the_first_step_to_the_last() -> None:
    told: list[tuple[int, int, str]] = []
    benchmark("random:n", ("openvino",), effort=FEW, input_size=(64, 64), progress=lambda *step: told.append(step))
    assert [done for done, _, _ in told] == list(range(3))
    assert told[-1] == (2, 3, "openvino, batch 1, round 2")


@pytest.mark.parametrize(
    ("engines", "batches", "line"),
    [(["tensorflow"], (1,), "there is no 'tensorflow'; there are: all, torch"), (["torch"], (0,), "batch: 0: give 1")],
)
def test_wrong_arguments_are_said_before_anything_is_loaded(engines: list[str], batches: tuple[int], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        benchmark("demo", engines, batches)


def test_missing_weights_are_an_error_not_a_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        benchmark(str(tmp_path / "none.pt"), effort=FEW)
