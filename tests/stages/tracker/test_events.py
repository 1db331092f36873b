"""Events on their way to everybody: each once, with the same ID, whatever dies in between."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import keys
from pipeline.broker import Delivery
from pipeline.messages import Detections, EndOfSource, Event, MinuteCounts
from pipeline.retention import Retention
from pipeline.wire import decode
from stages.tracker.channel import Channel
from stages.tracker.live_channel import LiveChannel
from stages.tracker.settings import TrackerSettings
from tests.fakes import MemoryBroker
from tests.stages.tracker.scenes import SOURCE, scene

ZONES: Final = TrackerSettings(
    zones=({"name": "left", "polygon": [(0, 0), (0.4, 0), (0.4, 1), (0, 1)], "dwell_s": 0.3, "above": 1},),
    lines=({"name": "middle", "line": [(0.4, 0), (0.4, 1)]},),
)
FRAMES: Final = 90
UNPUBLISHED: Final = 2
"""Frames at most that a tracker has in hand when it dies."""
RETAIN: Final = 10_000


def events_of(broker: MemoryBroker, stream: str) -> list[Event]:
    found = [decode(body) for body in broker.bodies(stream)]
    assert all(isinstance(event, Event) for event in found)
    return [replace(event, epoch=0) for event in found if isinstance(event, Event)]


def published(broker: MemoryBroker) -> list[Detections | EndOfSource]:
    found = [decode(body) for body in broker.bodies(keys.detections(SOURCE))]
    return [message for message in found if isinstance(message, Detections | EndOfSource)]


def run(plan: list[tuple[int, int]], seed: int = 1) -> MemoryBroker:
    """Publish a scene, restarting the tracker; `plan`: from which frame on it is sent again, in which epoch."""
    broker = MemoryBroker()
    for epoch, (first, last) in enumerate(plan, start=1):
        channel = Channel(broker, SOURCE, ZONES, RETAIN)
        found = scene(seed, FRAMES, epoch)[first:last]
        for number, message in enumerate(found):
            channel.accept(Delivery(keys.RAW, f"{epoch}-{number}", b""), message)
            if number % (UNPUBLISHED + 1) == 0:
                with broker.transaction() as transaction:
                    channel.publish(transaction)
        if last == FRAMES:
            channel.accept(Delivery(keys.RAW, f"{epoch}-{FRAMES}", b""), EndOfSource(SOURCE, epoch, FRAMES))
            with broker.transaction() as transaction:
                channel.publish(transaction)
    return broker


WHOLE: Final = run([(0, FRAMES)])


def test_events_are_in_the_source_s_stream_in_that_of_all_and_with_their_frames() -> None:
    own, common = events_of(WHOLE, keys.events(SOURCE)), events_of(WHOLE, keys.EVENTS)
    carried = [replace(event, epoch=0) for message in published(WHOLE) for event in message.events]
    assert own == common == carried
    kinds = Counter(event.kind for event in own)
    assert {"enter", "exit", "crossed", "track_started", "track_ended"} <= kinds.keys()
    assert kinds["track_started"] == kinds["track_ended"]
    assert len({event.id for event in own}) == len(own)


def test_an_entry_of_an_event_says_what_it_is_without_being_unpacked() -> None:
    stream = WHOLE.stream(keys.events(SOURCE))
    for entry, fields in stream.fields.items():
        event = decode(stream.entries[entry])
        assert isinstance(event, Event)
        wanted = {"v": 1, "source": SOURCE, "seq": event.seq, "ts": f"{event.pts_s:.6f}", "n": 1, "kind": event.kind}
        assert fields == wanted
        assert entry[0] <= event.pts_s * 1000 + 1


def test_minutes_are_published_and_come_with_their_frames() -> None:
    told = [decode(body) for body in WHOLE.bodies(keys.counts(SOURCE))]
    assert told == [counts for message in published(WHOLE) for counts in message.minutes]
    (minute,) = told
    assert isinstance(minute, MinuteCounts)
    looked_at = [m for m in published(WHOLE) if isinstance(m, Detections) and m.error is None]
    assert minute.frames == len(looked_at) < FRAMES


def test_a_frame_says_what_is_counted_in_its_zones() -> None:
    frames = [message for message in published(WHOLE) if isinstance(message, Detections)]
    for message in frames:
        assert [zone.zone for zone in message.zones] == ([] if message.error else ["left", "middle"])
    crossed = [event.direction for message in frames for event in message.events if event.kind == "crossed"]
    last = next(message for message in reversed(frames) if message.zones)
    ended = published(WHOLE)[-1].events
    late = [event.direction for event in ended if event.kind == "crossed"]
    assert (last.zones[1].entered, last.zones[1].left) == (crossed.count("in"), crossed.count("out"))
    assert late.count("in") + late.count("out") <= 1
    assert last.zones[0].points == ((0, 0), (256, 0), (256, 480), (0, 480))


cuts = st.lists(st.integers(1, FRAMES - 1), max_size=5).map(sorted)


@given(cuts, st.integers(0, 30))
@settings(max_examples=8, deadline=None)
def test_a_tracker_that_dies_anywhere_changes_no_event(deaths: list[int], back: int) -> None:
    """Whatever was not published is sent again, and some of what was."""
    edges = [0, *deaths, FRAMES]
    broker = run([(max(first - back - UNPUBLISHED, 0), last) for first, last in pairwise(edges)])
    for stream in (keys.events(SOURCE), keys.EVENTS):
        assert events_of(broker, stream) == events_of(WHOLE, stream)
    assert broker.bodies(keys.counts(SOURCE)) == WHOLE.bodies(keys.counts(SOURCE))


class _Twice(MemoryBroker):
    """Carries out each transaction twice, as happens when an answer is lost with the connection."""

    def transaction(self) -> Any:
        outer = super().transaction

        class _Doubled:
            def __enter__(self) -> Any:
                self._context = outer()
                self._transaction = self._context.__enter__()
                return self._transaction

            def __exit__(self, *error: Any) -> None:
                self._transaction.commands *= 2
                self._context.__exit__(*error)

        return _Doubled()


def test_a_transaction_that_is_sent_twice_tells_each_event_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.stages.tracker.test_events.MemoryBroker", _Twice)
    broker = run([(0, FRAMES)])
    for stream in (keys.events(SOURCE), keys.EVENTS):
        assert events_of(broker, stream) == events_of(WHOLE, stream)


def live(message: Detections, previous: int) -> Detections:
    frame = replace(message.frame, previous=previous, timestamp_s=1_700_000_000 + message.frame.pts_s)
    return replace(message, frame=frame)


def watched(course: list[Detections], *, restarts: bool) -> MemoryBroker:
    broker = MemoryBroker()
    channel = LiveChannel(broker, SOURCE, ZONES, Retention(RETAIN))
    for number, message in enumerate(course):
        if restarts:
            channel = LiveChannel(broker, SOURCE, ZONES, Retention(RETAIN))
        channel.accept(Delivery(keys.RAW_LIVE, f"{number + 1}-0", b""), message)
        with broker.transaction() as transaction:
            channel.publish(transaction)
    return broker


def test_a_camera_s_events_are_the_same_after_restarts_with_gaps_failures_and_rest() -> None:
    found = scene(3, FRAMES)
    kept = [message for message in found if message.frame.seq % 5]
    course = [live(message, kept[n - 1].frame.seq if n else -1) for n, message in enumerate(kept)]
    course[40] = replace(Detections.none(course[40].frame), skipped="motion")
    whole, restarted = watched(course, restarts=False), watched(course, restarts=True)
    assert len(events_of(whole, keys.EVENTS)) > 10
    assert events_of(whole, keys.events(SOURCE)) == events_of(restarted, keys.events(SOURCE))


def test_numbers_of_a_camera_that_was_removed_and_came_back_are_new_ones() -> None:
    broker = MemoryBroker()
    first = scene(1, 20)
    channel = LiveChannel(broker, SOURCE, ZONES, Retention(RETAIN))
    sent: list[Detections | EndOfSource] = [live(message, number - 1) for number, message in enumerate(first)]
    for number, message in enumerate([*sent, EndOfSource(SOURCE, 1, 20)]):
        channel.accept(Delivery(keys.RAW_LIVE, f"{number + 1}-0", b""), message)
        with broker.transaction() as transaction:
            channel.publish(transaction)
    again = LiveChannel(broker, SOURCE, ZONES, Retention(RETAIN))
    for number, message in enumerate(scene(2, 40, epoch=2)[20:]):
        again.accept(Delivery(keys.RAW_LIVE, f"{number + 100}-0", b""), live(message, number + 19))
        with broker.transaction() as transaction:
            again.publish(transaction)
    told = events_of(broker, keys.EVENTS)
    begun = [event.tracker_id for event in told if event.kind == "track_started"]
    ended = [event.tracker_id for event in told if event.kind == "track_ended" and event.seq <= 20]
    assert len(begun) == len(set(begun)) > len(ended) > 0
