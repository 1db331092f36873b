"""How full the engine is, and when it will have a place: what a camera's frame is chosen by."""

from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.broker import Delivery
from pipeline.errors import EngineError
from pipeline.frame import Frame
from pipeline.messages import FrameMeta
from stages.detector import flights as module
from stages.detector.engine import RawBoxes
from stages.detector.flights import Flight, Flights
from tests.clock import Clock

FRAME = Frame(FrameMeta("gate", 1, 0, 0.0, 4, 4), np.zeros((4, 4, 3), np.uint8))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def flight(clock: Clock, size: int = 1) -> Flight:
    return Flight([Delivery("live", "1-0", b"")] * size, [FRAME] * size, Future(), clock.now_s)


def land(flights: Flights, clock: Clock, at_s: float) -> None:
    """Let the oldest batch be answered at a time, and learn of it."""
    clock.now_s = at_s
    landed = flights.pop()
    landed.answer.set_result([])
    flights.note(landed)


def test_the_engine_takes_as_many_as_it_says_and_works_on_some_at_once(clock: Clock) -> None:
    flights = Flights(parallel=2, in_flight=3)
    states = []
    for _ in range(4):
        states.append((len(flights), flights.idle, flights.room))
        flights.add(flight(clock))
    assert states == [(0, 2, 3), (1, 1, 2), (2, 0, 1), (3, 0, 0)]


def test_an_engine_takes_at_least_what_it_works_on(clock: Clock) -> None:
    assert Flights(parallel=4, in_flight=1).room == 4


def test_the_oldest_comes_out_first(clock: Clock) -> None:
    flights = Flights(1, 2)
    first, second = flight(clock), flight(clock)
    flights.add(first)
    flights.add(second)
    assert (flights.oldest, flights.pop(), flights.oldest) == (first, first, second)


def test_a_place_is_free_at_once_while_one_is_idle_or_nothing_is_known(clock: Clock) -> None:
    flights = Flights(1, 2)
    assert flights.free_in_s() == 0.0
    flights.add(flight(clock))
    assert flights.free_in_s() == 0.0


def test_a_place_is_free_when_the_oldest_will_have_taken_as_long_as_is_usual(clock: Clock) -> None:
    flights = Flights(1, 2)
    flights.add(flight(clock))
    land(flights, clock, 100.04)
    clock.now_s = 200.0
    flights.add(flight(clock))
    assert flights.free_in_s() == pytest.approx(0.04)
    clock.now_s = 200.03
    assert flights.free_in_s() == pytest.approx(0.01)
    clock.now_s = 200.05
    assert flights.free_in_s() == 0.0


def test_one_that_waited_behind_another_is_counted_from_when_the_engine_began_with_it(clock: Clock) -> None:
    flights = Flights(1, 2)
    flights.add(flight(clock))
    flights.add(flight(clock))
    land(flights, clock, 100.04)
    assert flights.free_in_s() == pytest.approx(0.04)
    land(flights, clock, 100.08)
    flights.add(flight(clock))
    assert flights.free_in_s() == pytest.approx(0.04)


def test_two_at_once_begin_together(clock: Clock) -> None:
    flights = Flights(2, 2)
    for _ in range(2):
        flights.add(flight(clock))
    land(flights, clock, 100.05)
    land(flights, clock, 100.06)
    flights.add(flight(clock))
    clock.now_s = 100.08
    flights.add(flight(clock))
    assert flights.free_in_s() == pytest.approx(0.05 - 0.02, abs=0.01)


def test_the_usual_duration_follows_slowly_and_each_size_of_a_batch_has_its_own(clock: Clock) -> None:
    flights = Flights(1, 1)
    for size, took_s in ((1, 0.01), (8, 0.08), (1, 0.05)):
        flights.add(flight(clock, size))
        land(flights, clock, clock.now_s + took_s)
    for size, usual_s in ((1, 0.02), (8, 0.08)):
        flights.add(flight(clock, size))
        assert flights.free_in_s() == pytest.approx(usual_s)
        flights.pop()


@given(st.integers(1, 3), st.integers(1, 4), st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=40))
def test_numbers_stay_in_their_bounds_whatever_happens(
    parallel: int, in_flight: int, steps: list[tuple[bool, float]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock, flights = Clock(), Flights(parallel, in_flight)
        patch.setattr(module, "time", clock)
        for adds, passes_s in steps:
            clock.now_s += passes_s
            if adds and flights.room:
                flights.add(flight(clock))
            elif flights:
                land(flights, clock, clock.now_s)
            assert 0 <= flights.idle <= parallel and 0 <= flights.room <= max(parallel, in_flight)
            assert 0 <= flights.free_in_s() <= sum(passed for _, passed in steps) + 1e-6
            assert not flights.idle or flights.free_in_s() == 0.0


@pytest.fixture
def pending() -> Flight:
    return Flight([], [], Future())


def test_an_answer_has_landed_when_it_is_there(pending: Flight) -> None:
    assert [pending.landed(patience_s) for patience_s in (0.0, 0.001)] == [False, False]
    pending.answer.set_result([RawBoxes(np.zeros((0, 4), np.float32), np.zeros((0, 1), np.float32))])
    assert pending.landed() and pending.landed(5.0)
    assert (pending.landed_s or 0.0) >= pending.submitted_s


def test_an_error_has_landed_too(pending: Flight) -> None:
    pending.answer.set_exception(EngineError("no answer"))
    assert pending.landed() and pending.landed(5.0)


def test_a_time_out_of_the_engine_itself_has_landed(pending: Flight) -> None:
    pending.answer.set_exception(TimeoutError("the device took too long"))
    assert pending.landed(5.0)
