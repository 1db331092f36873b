"""The tracker: whatever comes in any order, twice, and with deaths in between, the public stream is the same."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import keys
from pipeline.broker import Broker
from pipeline.errors import BrokerForgotError
from pipeline.messages import Detections, EndOfSource, Message
from pipeline.wire import encode
from stages.tracker import stage
from stages.tracker.channel import Channel
from stages.tracker.settings import TrackerSettings
from stages.tracker.stage import Tracker
from tests.fakes import MemoryBroker
from tests.pipeline.broker_steps import DEADLINE_S, wait_for
from tests.pipeline.message_examples import FRAME
from tests.stages.fuse import Fuse, fused
from tests.stages.instant_engine import Killed
from tests.stages.tracker.scenes import SOURCE, numbers, published, scene

FRAMES: Final = 12
SEED: Final = 7


def send(broker: MemoryBroker, *messages: Message | bytes) -> None:
    with broker.transaction() as transaction:
        for message in messages:
            transaction.append(keys.RAW, message if isinstance(message, bytes) else encode(message))


def tracker(broker: Broker, name: str = "one", wanted: TrackerSettings | None = None) -> Tracker:
    wanted = wanted or TrackerSettings()
    return Tracker(broker, name, lambda source, live: Channel(broker, source, wanted))


def busy(broker: MemoryBroker) -> bool:
    stream = broker.stream(keys.RAW)
    state = stream.groups.get(keys.TRACKER)
    return state is None or bool(state.pending or stream.behind(state.last, 1))


def messages() -> list[Detections | EndOfSource]:
    return [*scene(SEED, FRAMES), EndOfSource(SOURCE, 1, FRAMES)]


@cache
def undisturbed() -> list[dict[str, Any]]:
    broker = MemoryBroker()
    send(broker, *messages())
    tracker(broker).step(0)
    return published(broker)


@given(
    st.permutations(range(FRAMES + 1)),
    st.lists(st.integers(0, FRAMES), max_size=6),
    st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=6),
    st.integers(1, 5),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_order_any_duplicates_and_any_deaths_make_the_same_public_stream(
    order: Sequence[int], again: Sequence[int], deaths: Sequence[tuple[int, bool]], batch: int, comes_back: bool
) -> None:
    now_s = [0.0]
    broker = MemoryBroker(clock=lambda: now_s[0])
    everything = messages()
    send(broker, *(everything[number] for number in [*order, *again]))
    lives = [Fuse(calls, after=after) for calls, after in deaths] + [Fuse()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "_BATCH", batch)
        for life, fuse in enumerate(lives):
            now_s[0] += 11  # what the one before held may be claimed
            try:
                one = tracker(fused(broker, fuse), "one" if comes_back else f"tracker-{life}")
                while busy(broker):
                    one.step(0)
                one.step(0)  # idle: what is dealt with is freed
            except Killed:
                pass
    assert published(broker) == undisturbed()
    assert len(broker.stream(keys.RAW).entries) == 0


def test_each_source_has_its_own_order_and_its_own_numbers() -> None:
    broker = MemoryBroker()
    ours, theirs = scene(SEED, 6), scene(SEED, 6, source="yard")
    send(broker, *(message for pair in zip(reversed(ours), theirs, strict=True) for message in pair))
    tracker(broker).step(0)
    assert numbers(broker) == numbers(broker, "yard") == list(range(6))
    ids = [[entry["tracker_id"] for entry in published(broker, source)] for source in (SOURCE, "yard")]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("body", [b"", b"\xc1 rubbish", FRAME])
def test_what_is_no_detection_goes_to_the_dead_letters(body: bytes | Message) -> None:
    broker = MemoryBroker()
    found = scene(SEED, 2)
    send(broker, found[0], body, found[1])
    tracker(broker).step(0)
    assert numbers(broker) == [0, 1] and not busy(broker)
    (letter,) = broker.bodies(keys.DEAD_LETTERS)
    assert letter == (body if isinstance(body, bytes) else encode(body))


def test_without_tracking_no_object_has_a_number() -> None:
    broker = MemoryBroker()
    send(broker, *messages())
    tracker(broker, wanted=TrackerSettings(tracking=None)).step(0)
    assert {number for entry in published(broker)[:-1] for number in entry["tracker_id"][2]} <= {-1}


class Script(threading.Event):
    """Stands for "stop": each time that it is asked, the next thing happens, and after the last it is set."""

    def __init__(self, *acts: Callable[[], object]) -> None:
        super().__init__()
        self._acts: Iterator[Callable[[], object]] = iter(acts)

    def is_set(self) -> bool:
        for act in self._acts:
            act()
            return False
        return True

    def wait(self, timeout: float | None = None) -> bool:
        return False


def nothing() -> None:
    pass


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "LEASE_S", 1e-9)  # asked for at every step
    monkeypatch.setattr(stage, "_BLOCK_S", 0.0)


def test_what_a_tracker_knew_does_not_get_into_a_broker_that_has_lost_its_memory() -> None:
    broker = MemoryBroker(clock=lambda: 0.0)
    told: list[bool] = []

    class Forgetful(Fuse):
        @contextmanager
        def burning(self) -> Iterator[None]:
            if len(broker.stream(keys.detections(SOURCE)).entries) == 3 and not told:
                for memory in (broker.streams, broker.hashes, broker.leases):
                    memory.clear()
                told.append(True)
                raise BrokerForgotError("the broker was started anew")
            yield

    def again() -> None:
        if told:
            assert numbers(broker) == [] and not broker.hashes
            send(broker, *scene(SEED, 5, epoch=2))

    send(broker, *scene(SEED, 3))
    tracker(fused(broker, Forgetful())).run(Script(nothing, nothing, again, nothing, nothing))
    assert numbers(broker) == [*range(5)]


@pytest.mark.usefixtures("hasty")
def test_a_tracker_that_was_in_reserve_gets_back_what_it_held_when_it_was_in_charge() -> None:
    broker = MemoryBroker(clock=lambda: 0.0)
    found, lease = scene(SEED, 4), keys.role(keys.TRACKER)

    def lose() -> None:
        broker.release(lease, "one")
        assert broker.lease(lease, "two", 60)

    def regain() -> None:
        broker.release(lease, "two")
        send(broker, found[0])

    send(broker, found[1], found[3], found[2])
    tracker(broker).run(Script(nothing, lose, regain, *[nothing] * 5))
    assert numbers(broker) == [0, 1, 2, 3] and not busy(broker)
    assert broker.leases == {}


@pytest.mark.usefixtures("hasty")
def test_a_tracker_in_reserve_publishes_nothing() -> None:
    broker = MemoryBroker(clock=lambda: 0.0)
    send(broker, *messages())
    broker.lease(keys.role(keys.TRACKER), "other", 60)
    tracker(broker).run(Script(*[nothing] * 5))
    assert numbers(broker) == []
    assert broker.leases[keys.role(keys.TRACKER)][0] == "other"


def test_one_in_reserve_goes_on_where_the_other_gave_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_BLOCK_S", 0.01)
    broker = MemoryBroker(claim_after_s=0.05)
    everything, stops = messages(), [threading.Event(), threading.Event()]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(tracker(broker, "one").run, stops[0])
        wait_for(lambda: broker.leases)
        second = pool.submit(tracker(broker, "two").run, stops[1])
        send(broker, *everything[:4], *everything[6:8])
        wait_for(lambda: len(numbers(broker)) == 4)
        stops[0].set()
        first.result(DEADLINE_S)
        send(broker, *everything[4:6], *everything[8:])
        wait_for(lambda: len(numbers(broker)) == FRAMES + 1)
        stops[1].set()
        second.result(DEADLINE_S)
    assert published(broker) == undisturbed()
    assert not busy(broker) and broker.leases == {}


def test_how_a_message_came_says_whether_it_is_of_a_camera() -> None:
    broker, opened = MemoryBroker(), []

    def open_line(source: str, live: bool) -> Channel:
        opened.append((source, live))
        return Channel(broker, source, TrackerSettings())

    frame = scene(SEED, 1)[0]
    for source, stream in (("gate", keys.RAW), ("yard", keys.RAW_LIVE)):
        with broker.transaction() as transaction:
            message = replace(frame, frame=replace(frame.frame, source=source))
            transaction.append(stream, encode(message))
        Tracker(broker, "one", open_line).step(0)
    assert ("gate", False) in opened and ("yard", True) in opened
    assert ("yard", False) not in opened
