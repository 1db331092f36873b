"""The detector answers for every frame that it takes, whatever the engine, the frame or its own death does to it."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import keys
from pipeline.errors import EngineDiedError, EngineError
from pipeline.ledger import Ledger
from pipeline.messages import EndOfSource, FrameMeta
from pipeline.wire import decode, encode
from stages.detector import stage
from stages.detector.engine import RawBoxes
from tests.stages.detector.bench import MOST_DELIVERIES, Bench
from tests.stages.instant_engine import InstantEngine, Killed, colour_seen


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(stage, "_IDLE_BLOCK_S", 0.0)
    return Bench()


def test_a_frame_comes_back_as_its_detections(bench: Bench) -> None:
    bench.announce("a", 37)
    bench.work_off(bench.detector(InstantEngine()))
    (found,) = bench.answers()
    assert (found.frame.source, found.frame.seq, found.frame.epoch) == ("a", 37, bench.epochs["a"])
    assert colour_seen(found) == 37
    assert (found.class_name, found.tracker_id.tolist()) == (("car",), [-1])
    assert found.inferred_ns > found.frame.decoded_ns and found.error is None


def test_a_batch_mixes_sources(bench: Bench) -> None:
    engine = InstantEngine(max_batch=4)
    bench.announce("a", 1)
    bench.announce("b", 2)
    bench.announce("a", 3)
    bench.work_off(bench.detector(engine))
    assert engine.batches == [[1, 2, 3]]
    assert [colour_seen(found) for found in bench.answers()] == [1, 2, 3]


def test_a_single_frame_does_not_wait_for_others(bench: Bench) -> None:
    engine = InstantEngine(max_batch=4)
    detector = bench.detector(engine)
    bench.announce("a", 1)
    detector.step()
    assert engine.batches == [[1]] and bench.answered() == [("a", 1)]


def test_batches_are_as_full_as_the_queue_allows(bench: Bench) -> None:
    engine = InstantEngine(max_batch=4)
    bench.announce("a", *range(10))
    bench.work_off(bench.detector(engine))
    assert [len(batch) for batch in engine.batches] == [4, 4, 2]


def test_while_the_engine_works_the_next_batch_is_given_to_it(bench: Bench) -> None:
    engine = InstantEngine(max_batch=4, in_flight=2, at_once=False)
    detector = bench.detector(engine)
    bench.announce("a", 1)
    detector.step()
    assert engine.batches == [[1]] and bench.answered() == []
    bench.announce("a", 2, 3)
    detector.step()
    assert engine.batches == [[1], [2, 3]] and bench.answered() == [("a", 1)]


@given(
    st.lists(st.integers(0, 6), max_size=8),
    st.integers(1, 4),
    st.integers(1, 3),
    st.booleans(),
    st.sets(st.integers(0, 60), max_size=3),
)
def test_whatever_arrives_is_answered_once_and_the_engine_never_has_more_than_it_takes(
    arrivals: Sequence[int], max_batch: int, in_flight: int, at_once: bool, poison: set[int]
) -> None:
    bench = Bench()
    engine = InstantEngine(max_batch, in_flight, at_once=at_once, poison=poison)
    detector, seq = bench.detector(engine), 0
    for count in arrivals:
        bench.announce("ab"[seq % 2], *range(seq, seq + count))
        seq += count
        if count:
            detector.step()
    bench.work_off(detector)
    assert sorted(number for _, number in bench.answered()) == list(range(seq))
    assert engine.most_outstanding <= in_flight
    assert set(bench.failed()) == {number for number in poison if number < seq}


def test_a_frame_that_the_engine_refuses_costs_only_itself(bench: Bench) -> None:
    engine = InstantEngine(max_batch=4, poison={2})
    bench.announce("a", 1, 2)
    bench.announce("b", 3)
    bench.work_off(bench.detector(engine))
    assert engine.batches == [[1, 2, 3], [1], [2], [3]]
    assert bench.failed() == {2: "engine failed: no answer for [2]"}
    assert sorted(bench.answered()) == [("a", 1), ("a", 2), ("b", 3)]
    ((body, reason),) = bench.letters()
    letter = decode(body)
    assert isinstance(letter, FrameMeta) and letter.seq == 2 and reason.startswith("engine failed")


def test_what_an_engine_says_at_length_is_cut(bench: Bench) -> None:
    class Chatty(InstantEngine):
        def _answer(self, colours: list[int]) -> list[object]:  # type: ignore[override]
            raise RuntimeError("x" * 100_000)

    bench.announce("a", 1)
    bench.work_off(bench.detector(Chatty()))
    assert len(bench.failed()[1]) < 1000


@given(
    st.sets(st.integers(0, 12), min_size=1, max_size=3),
    st.integers(1, 5),
    st.integers(1, 2),
    st.booleans(),
)
def test_a_frame_that_kills_is_given_up_after_three_deaths_and_takes_no_other_with_it(
    deadly: set[int], max_batch: int, in_flight: int, comes_back: bool
) -> None:
    bench = Bench()
    bench.announce("a", *range(13))
    deaths = 0
    while True:
        name = "one" if comes_back else f"detector-{deaths}"
        detector = bench.detector(InstantEngine(max_batch, in_flight, deadly=deadly), name)
        try:
            bench.work_off(detector)
            break
        except Killed:
            deaths += 1
            bench.now_s += 11  # what it held may be claimed now
    assert bench.failed() == dict.fromkeys(deadly, "gave up after 3 detectors died with it")
    assert {seq for _, seq in bench.answered()} == set(range(13))
    assert len(bench.letters()) == len(deadly)
    assert deaths <= MOST_DELIVERIES * len(deadly)


def test_a_frame_that_a_detector_died_with_goes_alone(bench: Bench) -> None:
    bench.announce("a", 1, 2, 3)
    dead = bench.detector(InstantEngine(deadly={3}))
    with pytest.raises(Killed):
        dead.step()
    bench.announce("a", 4, 5)
    engine = InstantEngine(in_flight=2, at_once=False)
    bench.work_off(bench.detector(engine))
    assert engine.batches == [[1], [2], [3], [4, 5]]
    assert sorted(bench.answered()) == [("a", seq) for seq in (1, 2, 3, 4, 5)]


def test_a_suspect_waits_until_the_others_are_safe(bench: Bench) -> None:
    bench.announce("a", 1)
    holder = bench.broker.group([keys.FRAMES], keys.DETECTORS, "dead")
    assert holder.read(1, 0)
    bench.announce("a", 2)
    engine = InstantEngine(in_flight=2, at_once=False, deadly={1})
    detector = bench.detector(engine)
    detector.step()
    assert bench.answered() == []
    bench.now_s += 11
    with pytest.raises(Killed):
        detector.step()
    assert bench.answered() == [("a", 2)]


@pytest.mark.parametrize("body", [b"", b"\xc1 rubbish", encode(EndOfSource("a", 1, 3))])
def test_what_is_no_work_item_goes_to_the_dead_letters(body: bytes, bench: Bench) -> None:
    bench.announce("a", 1)
    bench.send(body)
    bench.announce("a", 2)
    bench.work_off(bench.detector(InstantEngine()))
    assert bench.answered() == [("a", 1), ("a", 2)]
    ((letter, reason),) = bench.letters()
    assert letter == body and reason


def test_an_item_of_an_older_epoch_without_pixels_is_forgotten(bench: Bench) -> None:
    bench.announce("a", 1, 2)
    bench.begin("a")
    bench.announce("a", 2)
    bench.work_off(bench.detector(InstantEngine()))
    assert [(found.frame.epoch, found.frame.seq) for found in bench.answers()] == [(bench.epochs["a"], 2)]
    assert bench.letters() == [] and bench.failed() == {}


def test_an_item_of_this_epoch_whose_pixels_never_came_is_a_failed_frame(bench: Bench) -> None:
    bench.announce("a", 1)
    bench.announce("a", 2, stored=False)
    bench.work_off(bench.detector(InstantEngine(max_batch=8)))
    assert set(bench.failed()) == {2} and "not there yet" in bench.failed()[2]
    assert {seq for _, seq in bench.answered()} == {1, 2}
    assert len(bench.letters()) == 1


def test_pixels_that_went_with_a_dead_decoder_are_asked_for_again_once(bench: Bench) -> None:
    bench.announce("a", 1, 2, 3)
    bench.writers["a"].close()
    bench.work_off(bench.detector(InstantEngine(max_batch=8)))
    assert bench.answers() == [] and bench.letters() == []
    assert Ledger(bench.broker, "a").read().rewinds == 1
    bench.begin("a")
    bench.announce("a", 1, 2, 3)
    bench.work_off(bench.detector(InstantEngine(max_batch=8)))
    assert bench.answered() == [("a", seq) for seq in (1, 2, 3)] and bench.failed() == {}


def test_what_the_engine_has_begun_is_finished_when_it_is_told_to_stop(bench: Bench) -> None:
    stop = threading.Event()
    engine = InstantEngine(max_batch=2, in_flight=3, at_once=False)
    submit = engine.submit

    def stopping(images: Sequence[object]) -> object:
        stop.set()
        return submit(images)  # type: ignore[arg-type]

    engine.submit = stopping  # type: ignore[method-assign, assignment]
    bench.announce("a", 1, 2, 3, 4)
    bench.detector(engine).run(stop)
    assert sorted(bench.answered()) == [("a", seq) for seq in (1, 2, 3, 4)]
    assert not bench.busy()


def test_what_is_answered_does_not_stay_in_the_queue(bench: Bench) -> None:
    detector = bench.detector(InstantEngine(max_batch=8))
    for first in range(0, 800, 8):
        bench.announce("a", *range(first, first + 8))
        bench.work_off(detector)
        assert len(bench.broker.stream(keys.FRAMES).entries) <= 80


def test_detectors_share_the_queue(bench: Bench) -> None:
    engines = [InstantEngine(max_batch=2), InstantEngine(max_batch=2)]
    detectors = [bench.detector(engine, f"detector-{number}") for number, engine in enumerate(engines)]
    bench.announce("a", *range(8))
    steps: list[Callable[[], None]] = [detector.step for detector in detectors] * 2
    for step in steps:
        step()
    assert [engine.batches for engine in engines] == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
    assert not bench.busy()


class Silent(InstantEngine):
    """Never answers."""

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        super().submit(images)
        return Future()


def test_an_engine_that_never_answers_is_dead(bench: Bench) -> None:
    bench.announce("a", 1, 2)
    with pytest.raises(EngineDiedError, match=r"no answer of instant within 0\.01 s"):
        bench.work_off(bench.detector(Silent(), timeout_s=0.01))
    assert bench.answers() == [] and bench.letters() == []
    bench.work_off(bench.detector(InstantEngine()))
    assert sorted(bench.answered()) == [("a", 1), ("a", 2)] and bench.failed() == {}


def test_a_timeout_of_the_engine_itself_is_a_failure_as_any_other(bench: Bench) -> None:
    class Timed(InstantEngine):
        def _answer(self, colours: list[int]) -> list[RawBoxes]:
            raise TimeoutError("the device took too long")

    bench.announce("a", 1)
    bench.work_off(bench.detector(Timed()))
    assert bench.failed() == {1: "engine failed: the device took too long"}


def test_an_engine_that_begins_to_fail_at_everything_is_dead(bench: Bench) -> None:
    bench.announce("a", *range(30))
    with pytest.raises(EngineDiedError, match="failed at 8 frames in a row: no answer for"):
        bench.work_off(bench.detector(InstantEngine(poison=range(10, 30))))
    bench.work_off(bench.detector(InstantEngine()))
    assert sorted(bench.failed()) == list(range(10, 18))
    assert {seq for _, seq in bench.answered()} == set(range(30))


def test_an_engine_that_never_works_ends_the_run(bench: Bench) -> None:
    bench.announce("a", *range(30))
    with pytest.raises(EngineError, match="failed at 8 frames in a row: no answer for") as caught:
        bench.work_off(bench.detector(InstantEngine(poison=range(30))))
    assert not isinstance(caught.value, EngineDiedError)


def test_frames_that_fail_now_and_then_kill_nothing(bench: Bench) -> None:
    poison = {seq for seq in range(60) if seq % 8 != 7}
    bench.announce("a", *range(60))
    bench.work_off(bench.detector(InstantEngine(max_batch=1, poison=poison)))
    assert set(bench.failed()) == poison and len(bench.answers()) == 60
