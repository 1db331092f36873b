"""Of a camera the detector looks at what is newest at the moment when the engine can begin with it."""

from collections.abc import Sequence
from concurrent.futures import Future
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import keys
from stages.detector import flights, stage
from stages.detector.engine import RawBoxes
from stages.detector.stage import Detector
from tests.clock import Clock
from tests.stages.detector.bench import Bench
from tests.stages.instant_engine import InstantEngine, Killed, colour_seen


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(stage, "_IDLE_BLOCK_S", 0.0)
    return Bench()


class SlowEngine(InstantEngine):
    """Works on one batch at a time, takes another meanwhile, and answers when it is told to."""

    def __init__(self, max_batch: int = 4, in_flight: int = 2) -> None:
        super().__init__(max_batch, in_flight)
        self.parallel = 1
        self._open: list[tuple[Future[list[RawBoxes]], list[int]]] = []

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        super().submit(images)
        self._open.append((Future(), self.batches[-1]))
        return self._open[-1][0]

    def answer(self) -> None:
        """Answer the oldest batch, if there is one."""
        if not self._open:
            return
        future, colours = self._open.pop(0)
        future.set_result(self._answer(colours))


def answered(bench: Bench) -> list[tuple[str, int, int | None]]:
    """Return source, number and the one before of each answer; the picture was that of the number."""
    for found in bench.answers():
        assert found.error or colour_seen(found) == found.frame.seq
    return [(found.frame.source, found.frame.seq, found.frame.previous) for found in bench.answers()]


def test_the_newest_frame_is_looked_at_and_not_the_one_that_was_announced(bench: Bench) -> None:
    detector = bench.detector(InstantEngine())
    bench.offer("gate", 1, 2, 3)
    bench.work_off(detector)
    bench.offer("gate", 4, 5)
    bench.work_off(detector)
    assert answered(bench) == [("gate", 3, -1), ("gate", 5, 3)]
    assert bench.letters() == []


def test_what_came_while_the_engine_worked_is_not_waited_for_in_vain(bench: Bench) -> None:
    engine = InstantEngine(at_once=False)
    detector = bench.detector(engine)
    bench.offer("gate", 1)
    detector.step()
    bench.offer("gate", 2, 3, 4)
    detector.step()
    bench.offer("gate", 5)
    bench.work_off(detector)
    assert engine.batches in ([[1], [5]], [[1], [4], [5]]) and engine.batches[0] == [1]
    assert [seq for _, seq, _ in answered(bench)] == [colour for (colour,) in engine.batches]


def test_a_batch_mixes_cameras_each_with_its_newest_frame(bench: Bench) -> None:
    engine = InstantEngine(max_batch=8)
    for seq in (1, 2):
        for number, camera in enumerate("abc"):
            bench.offer(camera, 10 * number + seq)
    bench.work_off(bench.detector(engine))
    assert engine.batches == [[2, 12, 22]]
    assert answered(bench) == [("a", 2, -1), ("b", 12, -1), ("c", 22, -1)]


def test_more_cameras_than_a_batch_holds_have_their_turns(bench: Bench) -> None:
    engine = InstantEngine(max_batch=4)
    detector, cameras = bench.detector(engine), [f"cam{number}" for number in range(10)]
    for seq in range(20):
        for camera in cameras:
            bench.offer(camera, seq)
        for _ in range(2):
            detector.step()
    bench.work_off(detector)
    turns = [source for source, _, _ in answered(bench)]
    for camera in cameras:
        mine = [place for place, source in enumerate(turns) if source == camera]
        assert len(mine) >= 10
        for before, after in pairwise(mine):
            between = turns[before + 1 : after]
            assert max(map(between.count, cameras)) <= 2  # nobody is overtaken again and again


def test_a_frame_that_waits_for_its_turn_is_chosen_when_the_turn_comes(bench: Bench) -> None:
    detector = bench.detector(InstantEngine(max_batch=1))
    for camera in "abc":
        bench.offer(camera, 1)
    for seq in (2, 3, 4):
        detector.step()
        for camera in "abc":
            bench.offer(camera, seq)
    assert [answer[:2] for answer in answered(bench)] == [("a", 1), ("b", 2), ("c", 3)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (flights, stage):
        monkeypatch.setattr(module, "time", made)
    return made


def learned(bench: Bench, engine: SlowEngine, clock: Clock) -> Detector:
    """Return a detector that knows that its engine takes a long time, and has just given it a batch."""
    detector = bench.detector(engine)
    bench.offer("gate", 1)
    detector._fill()
    clock.now_s += 0.3
    engine.answer()
    detector.step()
    bench.offer("gate", 2)
    detector._fill()
    return detector


def test_a_cameras_frame_is_not_chosen_while_the_engine_is_busy_for_long(bench: Bench, clock: Clock) -> None:
    engine = SlowEngine()
    detector = learned(bench, engine, clock)
    clock.now_s += 0.25
    bench.offer("gate", 3)
    bench.announce("clip", 9)
    detector._fill()
    assert engine.batches == [[1], [2], [9]]
    assert bench.unread(keys.LIVE) == 1
    bench.offer("gate", 4)
    while bench.busy():
        engine.answer()
        detector.step()
    assert engine.batches == [[1], [2], [9], [4]]


def test_a_cameras_frame_is_chosen_a_moment_before_the_engine_is_free(bench: Bench, clock: Clock) -> None:
    engine = SlowEngine()
    detector = learned(bench, engine, clock)
    bench.offer("gate", 3)
    clock.now_s += 0.25
    detector.step()
    assert engine.batches == [[1], [2]], "the newest of then would be chosen, and of now it isn't"
    clock.now_s += 0.0499
    detector.step()
    assert engine.batches == [[1], [2], [3]]


def test_recordings_and_cameras_share_the_engine(bench: Bench) -> None:
    engine = InstantEngine(max_batch=2)
    detector = bench.detector(engine)
    bench.announce("clip", *range(50))
    for seq in range(50, 80):
        for camera in ("gate", "yard"):
            bench.offer(camera, seq)
        detector.step()
    sources = [source for source, _, _ in answered(bench)]
    assert all(sources.count(camera) >= 15 for camera in ("gate", "yard"))
    assert sources.count("clip") >= 15
    bench.work_off(detector)
    assert sorted(seq for source, seq, _ in answered(bench) if source == "clip") == list(range(50))


def test_an_item_of_a_camera_that_begins_anew_is_forgotten(bench: Bench) -> None:
    bench.offer("gate", 1)
    bench.begin("gate", live=True)
    bench.offer("gate", 5)
    bench.work_off(bench.detector(InstantEngine()))
    assert answered(bench) == [("gate", 5, -1)] and bench.letters() == []


def test_a_frame_whose_pixels_are_gone_has_failed_and_the_camera_goes_on(bench: Bench) -> None:
    detector = bench.detector(InstantEngine())
    bench.offer("gate", 1)
    bench.offer("yard", 2)
    bench.writers["gate"].frames.clear()
    bench.work_off(detector)
    assert set(bench.failed()) == {1} and len(bench.letters()) == 1
    bench.offer("gate", 3)
    bench.work_off(detector)
    assert sorted(answered(bench)) == [("gate", 1, -1), ("gate", 3, 1), ("yard", 2, -1)]


def test_a_frame_that_the_engine_refuses_costs_only_itself(bench: Bench) -> None:
    detector = bench.detector(InstantEngine(poison={1}))
    bench.offer("gate", 1)
    bench.offer("yard", 2)
    bench.work_off(detector)
    bench.offer("gate", 3)
    bench.work_off(detector)
    assert bench.failed() == {1: "engine failed: no answer for [1]"}
    assert sorted(answered(bench)) == [("gate", 1, -1), ("gate", 3, 1), ("yard", 2, -1)]


def test_a_frame_that_a_detector_died_with_is_dropped_and_the_camera_goes_on(bench: Bench) -> None:
    bench.offer("gate", 1)
    with pytest.raises(Killed):
        bench.detector(InstantEngine(deadly={1}), "dead").step()
    bench.offer("gate", 2)
    bench.now_s += 11  # what the dead one held may be claimed now
    bench.work_off(bench.detector(InstantEngine()))
    assert answered(bench) == [("gate", 2, 1)] and bench.letters() == []


def test_an_item_that_a_detector_died_with_before_it_looked_is_good_for_the_newest_frame(bench: Bench) -> None:
    bench.offer("gate", 1)
    assert bench.broker.group([keys.LIVE, keys.FRAMES], keys.DETECTORS, "dead").read(1, 0)
    bench.offer("gate", 2, 3)
    bench.now_s += 11
    bench.work_off(bench.detector(InstantEngine()))
    assert answered(bench) == [("gate", 3, -1)]


def test_several_detectors_never_look_at_the_same_frame(bench: Bench) -> None:
    detectors = [bench.detector(InstantEngine(max_batch=1), f"detector-{number}") for number in range(3)]
    for seq in range(30):
        bench.offer("gate", seq)
        bench.offer("yard", seq)
        detectors[seq % 3].step()
        detectors[(seq + 1) % 3].step()
    for camera in ("gate", "yard"):
        chain = [(seq, previous) for source, seq, previous in answered(bench) if source == camera]
        assert len(chain) > 10
        assert [previous for _, previous in chain] == [-1, *(seq for seq, _ in chain[:-1])]


def test_used_items_do_not_stay_in_the_queue(bench: Bench) -> None:
    detector = bench.detector(InstantEngine())
    for seq in range(400):
        bench.offer("gate", seq % 100)
        detector.step()
        assert len(bench.broker.stream(keys.LIVE).entries) <= 80


@given(
    st.lists(st.sampled_from(["gate", "yard", "clip", "step", "step"]), max_size=40),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_whatever_comes_each_frame_is_the_newest_of_its_camera_when_the_engine_gets_it(
    steps: Sequence[str], max_batch: int, in_flight: int, at_once: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "_IDLE_BLOCK_S", 0.0)
        bench, engine = Bench(), InstantEngine(max_batch, in_flight, at_once=at_once)
        detector, newest = bench.detector(engine), {"gate": -1, "yard": -1, "clip": -1}
        submit, given_to_it = engine.submit, 0

        def watched(images: Sequence[NDArray[np.uint8]]) -> Any:
            nonlocal given_to_it
            given_to_it += 1
            live = {newest["gate"], 50 + newest["yard"]}
            clips = range(30, 30 + newest["clip"] + 1)
            assert all(int(image[16, 16, 0]) in {*live, *clips} for image in images)
            return submit(images)

        engine.submit = watched  # type: ignore[method-assign]
        for step in steps:
            if step == "step":
                detector.step()
            elif step == "clip" and newest["clip"] < 19:
                newest[step] += 1
                bench.announce(step, 30 + newest[step])
            elif step != "clip" and newest[step] < 29:
                newest[step] += 1
                bench.offer(step, newest[step] + (50 if step == "yard" else 0))
        bench.work_off(detector)
        assert given_to_it == len(engine.batches)
        for camera in ("gate", "yard"):
            seqs = [seq for source, seq, _ in answered(bench) if source == camera]
            assert seqs == sorted(set(seqs))
            if newest[camera] >= 0:
                assert seqs[-1] == newest[camera] + (50 if camera == "yard" else 0)
