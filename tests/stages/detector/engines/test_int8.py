"""Engines with a network in INT8, and the automatic choice."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import EngineError
from stages.detector import settings
from stages.detector.engine import Engine
from stages.detector.engines.onnxruntime import OnnxRuntimeEngine
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.int8.store import Runtime
from stages.detector.settings import AutoEngine
from tests.small_int8 import BOTH, SIZE, images, saved, shelved

DEADLINE_S = 60


def built(runtime: Runtime, cache: Path, model: str = "demo", streams: int = 1) -> Engine:
    if runtime == "openvino":
        return OpenVinoEngine(int8=True, streams=streams, cache_dir=cache).build(model, SIZE)
    return OnnxRuntimeEngine(device="cpu", int8=True, streams=streams, cache_dir=cache).build(model, SIZE)


@pytest.fixture(params=BOTH)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    value: Runtime = request.param
    return value


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of converted models, also of engines that don't name one; no GPU."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(settings, "has_cuda", lambda: False)
    return tmp_path / ".cache/detstream"


def test_it_runs_what_was_made_says_so_and_gives_the_same_with_any_number_of_streams(
    runtime: Runtime, cache: Path
) -> None:
    shelved(cache, runtime, passed=False)
    with closing(built(runtime, cache)) as one, closing(built(runtime, cache, streams=2)) as two:
        assert one.name.split(",")[0].endswith("cpu int8") and one.max_batch == 1
        alone = [one.submit([image]).result(DEADLINE_S)[0] for image in images()]
        together = [two.submit([image]) for image in images()[: two.in_flight]]
        for future, expected in zip(together, alone, strict=False):
            np.testing.assert_array_equal(future.result(DEADLINE_S)[0].boxes, expected.boxes)
        assert {raw.scores.shape for raw in alone} == {(588, 2)}


def test_without_one_it_is_refused_with_the_remedy(runtime: Runtime, cache: Path) -> None:
    with pytest.raises(EngineError, match=rf"no INT8 for {runtime} at 128x224 yet; make it: detstream export"):
        built(runtime, cache)


def test_an_export_is_refused(runtime: Runtime, cache: Path, tmp_path: Path) -> None:
    path = saved(runtime, (), tmp_path / "exported")
    with pytest.raises(EngineError, match="exported already"):
        built(runtime, cache, str(path))
    with pytest.raises(EngineError, match="an export has its precision"):
        AutoEngine(int8=True).build(str(path), SIZE)


@pytest.fixture
def chosen(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool | None], bool]:
    """Return whether the automatic choice is INT8."""
    monkeypatch.setattr(OpenVinoEngine, "build", lambda self, model, input_size: self.int8)
    return lambda wish: bool(AutoEngine(int8=wish).build("demo", SIZE))


def test_automatic_choice_takes_one_that_passed_unless_told_not_to(
    cache: Path, chosen: Callable[[bool | None], bool]
) -> None:
    assert [chosen(None), chosen(False)] == [False, False]
    shelved(cache, "openvino", passed=True)
    assert [chosen(None), chosen(True), chosen(False)] == [True, True, False]


def test_automatic_choice_takes_one_that_is_not_checked_only_if_told_to(
    cache: Path, chosen: Callable[[bool | None], bool]
) -> None:
    shelved(cache, "openvino", passed=False)
    assert [chosen(None), chosen(True), chosen(False)] == [False, True, False]


def test_automatic_choice_that_is_told_to_take_int8_takes_nothing_else(cache: Path) -> None:
    with pytest.raises(EngineError, match="no INT8 for openvino"):
        AutoEngine(int8=True).build("demo", SIZE)


def test_float16_and_int8_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "has_cuda", lambda: True)
    with pytest.raises(EngineError, match="int8 needs"):
        AutoEngine(int8=True, half=True).build("demo")
