"""The self-test finds wrong pixels, doubled and disordered frames, and gaps that nobody told; what is right passes."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import pytest
from rich.console import Console

from pipeline import strip
from pipeline.cli.selftesting import Result, Trial, result_table
from pipeline.frame import Frame
from pipeline.messages import Detections, FrameMeta
from pipeline.wire import decode, encode_public
from stages.decoder.address import is_live
from stages.decoder.live.sim import SimSettings
from stages.decoder.sources.listing import NamedCamera, expand_all
from stages.detector.engines.probe import Probe, ProbeEngine
from stages.detector.finder import Finder
from stages.detector.nms import Postprocess
from stages.detector.yolo_nas.card import ModelCard

TAG: Final = 3
CARD: Final = ModelCard("n", ("car", "bus"), (320, 320))


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    engine = Probe(CARD, ProbeEngine())
    yield engine
    engine.close()


class Judge:
    """Shows published frames of one camera to a result."""

    def __init__(self, probe: Probe) -> None:
        self.result, self.last = Result(), -1
        self._probe, self._finder = probe, Finder(CARD, Postprocess(0.25, 0.7))

    def see(self, seq: int, number: int | None = -1, **extra: Any) -> None:
        """Show the frame `seq`, whose pixels carry `number`: its own if not given, none at all if None."""
        image = np.full((180, 320, 3), 90, np.uint8)
        if number is not None:
            strip.stamp(image, strip.tagged(TAG, seq) if number < 0 else number)
        meta = FrameMeta("sim-3", 1, seq, 0.0, 320, 180, captured_ns=10**9)
        frame = Frame(meta, image)
        (raw,) = self._probe.submit([self._finder.canvas(frame)]).result(30)
        told = {"dropped_before": max(seq - self.last - 1, 0), "published_ns": 10**9 + 40 * 10**6} | extra
        message = decode(encode_public(replace(self._finder.find(frame, raw, 1), **told)))
        assert isinstance(message, Detections)
        self.result.add(message, TAG, self.last)
        self.last = seq

    def faults(self) -> dict[str, int]:
        """Return what is wrong, by name, as far as there is any."""
        names = ("wrong_pixels", "unreadable", "failed", "duplicates", "out_of_order", "gaps_untold")
        return {name: getattr(self.result, name) for name in names if getattr(self.result, name)}


@pytest.fixture
def judge(probe: Probe) -> Judge:
    return Judge(probe)


def test_frames_of_their_own_pixels_in_order_with_gaps_told_pass(judge: Judge) -> None:
    for seq in (0, 1, 5, 6):
        judge.see(seq)
    assert judge.faults() == {} and judge.result.passed
    assert (judge.result.published, judge.result.matched, judge.result.dropped) == (4, 4, 3)


def test_frames_before_the_first_are_a_gap_too(judge: Judge) -> None:
    judge.see(7)
    assert judge.faults() == {} and judge.result.dropped == 7
    missing = Judge(judge._probe)
    missing.see(7, dropped_before=0)
    assert missing.faults() == {"gaps_untold": 1}


@pytest.mark.parametrize("number", [strip.tagged(TAG, 4), strip.tagged(TAG + 1, 5)], ids=["older", "another camera's"])
def test_pixels_of_another_frame_are_wrong(judge: Judge, number: int) -> None:
    judge.see(4)
    judge.see(5, number)
    assert judge.faults() == {"wrong_pixels": 1} and not judge.result.passed


def test_pixels_without_a_number_are_unreadable(judge: Judge) -> None:
    judge.see(0)
    judge.see(1, None)
    assert judge.faults() == {"unreadable": 1} and not judge.result.passed


def test_a_frame_that_comes_twice_is_a_duplicate(judge: Judge) -> None:
    judge.see(0)
    judge.see(0)
    assert judge.faults() == {"duplicates": 1} and not judge.result.passed


def test_a_frame_that_comes_late_is_out_of_order(judge: Judge) -> None:
    judge.see(5)
    judge.see(3)
    assert judge.faults() == {"out_of_order": 1} and not judge.result.passed


@pytest.mark.parametrize("told", [0, 1, 3])
def test_a_gap_that_is_told_wrongly_is_untold(judge: Judge, told: int) -> None:
    judge.see(0)
    judge.see(3, dropped_before=told)
    assert judge.faults() == {"gaps_untold": 1} and not judge.result.passed


def test_a_failed_frame_is_counted_as_that_alone(judge: Judge) -> None:
    judge.see(0)
    judge.see(1, None, error="the engine refused it")
    assert judge.faults() == {"failed": 1} and not judge.result.passed


def test_nothing_at_all_does_not_pass() -> None:
    assert not Result().passed
    assert Result().as_dict()["latency_p50_ms"] is None


@pytest.mark.parametrize(("cameras", "engine_ms", "least"), [(1, 0, 25), (2, 20, 50), (4, 40, 25), (1, 60_000, 1)])
def test_too_few_frames_do_not_pass(cameras: int, engine_ms: float, least: int) -> None:
    trial = Trial(10, cameras, 25, "640x360", engine_ms)
    assert trial.least_frames == least
    assert Result(least=least, matched=least).passed and not Result(least=least, matched=least - 1).passed


def test_latency_is_from_capture_to_publication(judge: Judge) -> None:
    for seq in range(20):
        judge.see(seq, published_ns=10**9 + (seq + 1) * 10**7)
    shown = judge.result.as_dict()
    assert (shown["latency_p50_ms"], shown["latency_p95_ms"]) == (105.0, 190.5)
    assert shown["passed"] is True and "latency_s" not in shown


def test_the_table_shows_all_figures_and_faults_in_red() -> None:
    result = Result(published=9, matched=8, wrong_pixels=1, latency_s=[0.04])
    console = Console(record=True, width=60, force_terminal=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(result_table(result))
    rows = {line.split("  ")[0].strip() for line in captured.get().splitlines()}
    named = {field.name.replace("_", " ") for field in fields(Result) if field.name != "latency_s"}
    assert named | {"passed", "latency p50 ms", "latency p95 ms", "latency p99 ms"} == rows
    (red,) = [line for line in captured.get().splitlines() if "\x1b[31m" in line]
    assert "wrong pixels" in red


def test_each_simulated_camera_has_a_scene_and_a_tag_of_its_own() -> None:
    trial = Trial(duration_s=5, cameras=3, fps=12.5, size="640x360", engine_ms=20)
    found = expand_all(trial.sources)
    assert all(isinstance(item, NamedCamera) and is_live(item.url) for item in found)
    settings = [SimSettings.parse(item.url) for item in found if isinstance(item, NamedCamera)]
    assert [item.name for item in found] == ["sim-1", "sim-2", "sim-3"]
    assert [(setting.seed, setting.fps, setting.size) for setting in settings] == [
        (tag, 12.5, (640, 360)) for tag in (1, 2, 3)
    ]
