"""One source: epochs are fenced, the end is last, and entries are numbered as Redis wants them."""

import json
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import keys
from pipeline.broker import Delivery
from pipeline.ledger import Ledger
from pipeline.messages import Detections, EndOfSource
from pipeline.metrics import LatencyHistogram
from pipeline.wire import decode
from stages.tracker.channel import Channel
from stages.tracker.settings import TrackerSettings
from tests.fakes import MemoryBroker
from tests.stages.tracker.scenes import SOURCE, numbers, published, scene

PLAIN: Final = TrackerSettings(tracking=None)


class Line:
    """A channel, and messages that are handed to it as a group would hand them out."""

    def __init__(self, settings: TrackerSettings = PLAIN) -> None:
        self.broker, self._settings = MemoryBroker(), settings
        self.channel = self.restarted()
        self._sent = 0

    def restarted(self) -> Channel:
        self.channel = Channel(self.broker, SOURCE, self._settings)
        return self.channel

    def send(self, *messages: Detections | EndOfSource) -> None:
        for message in messages:
            self._sent += 1
            self.channel.accept(Delivery(keys.RAW, f"{self._sent}-0", b""), message)
        with self.broker.transaction() as transaction:
            self.channel.publish(transaction)

    def ids(self) -> list[tuple[int, int]]:
        return sorted(self.broker.stream(keys.detections(SOURCE)).entries)

    def last(self) -> Detections | EndOfSource:
        message = decode(self.broker.bodies(keys.detections(SOURCE))[-1])
        assert isinstance(message, Detections | EndOfSource)
        return message


@pytest.fixture
def line() -> Line:
    return Line()


def test_bodies_are_json_where_that_is_asked_for() -> None:
    line = Line(TrackerSettings(tracking=None, wire="json"))
    line.send(*scene(1, 3), EndOfSource(SOURCE, 1, 3))
    bodies = line.broker.bodies(keys.detections(SOURCE))
    assert [json.loads(body)["type"] for body in bodies] == ["published"] * 3 + ["end"]
    assert [decode(body) for body in bodies[3:]] == [EndOfSource(SOURCE, 1, 3)]


def test_an_entry_says_what_is_in_it_without_being_unpacked(line: Line) -> None:
    found = scene(1, 3)
    line.send(*found, EndOfSource(SOURCE, 1, 3))
    fields = [entry["fields"] for entry in published(line.broker)]
    assert fields[2] == {"v": 1, "source": SOURCE, "seq": 2, "ts": "0.080000", "n": len(found[2])}
    assert fields[3] == {"v": 1, "source": SOURCE, "seq": 3, "ts": "0.080000", "n": 0}


def test_an_older_epoch_is_refused_and_a_newer_one_starts_over_with_what_was_early(line: Line) -> None:
    first, second = scene(1, 6), scene(2, 6, epoch=2)
    line.send(first[0], first[3], first[4])
    line.send(second[2])
    line.send(first[1], first[2], EndOfSource(SOURCE, 1, 3))
    assert numbers(line.broker) == [0]
    line.send(second[1])
    assert numbers(line.broker) == [0, 1, 2]
    assert [entry["frame"].epoch for entry in published(line.broker)] == [1, 2, 2]
    line.send(second[3], second[4], second[5], EndOfSource(SOURCE, 2, 6))
    assert numbers(line.broker) == [0, 1, 2, 3, 4, 5, -6]


def test_a_frame_that_is_published_already_is_not_published_again_by_a_new_epoch(line: Line) -> None:
    line.send(*scene(1, 4))
    line.send(*scene(2, 6, epoch=2))
    assert [entry["frame"].epoch for entry in published(line.broker)] == [1, 1, 1, 1, 2, 2]


def test_the_end_waits_for_the_last_frame_and_comes_once(line: Line) -> None:
    found, end = scene(1, 3), EndOfSource(SOURCE, 1, 3, "the file ends early")
    line.send(end, end, found[0], found[2])
    assert numbers(line.broker) == [0]
    line.send(found[1])
    assert line.channel.ended
    assert line.last() == end
    line.send(end, *found, *scene(1, 5))
    assert line.restarted().ended
    line.send(end, *scene(1, 5, epoch=2), EndOfSource(SOURCE, 2, 5))
    assert numbers(line.broker) == [0, 1, 2, -3]


def test_an_end_that_names_fewer_frames_than_are_published_is_still_the_last_entry(line: Line) -> None:
    line.send(*scene(1, 5))
    line.send(EndOfSource(SOURCE, 2, 3, "the file is damaged now"))
    assert line.last() == EndOfSource(SOURCE, 2, 5, "the file is damaged now")
    assert numbers(line.broker) == [0, 1, 2, 3, 4, -5]
    assert Ledger(line.broker, SOURCE).read().frames == 5


def test_an_empty_source_has_only_an_end(line: Line) -> None:
    line.send(EndOfSource(SOURCE, 1, 0))
    assert line.last() == EndOfSource(SOURCE, 1, 0)
    assert line.ids() == [(1, 0)]  # Redis refuses 0-0


times = st.none() | st.floats(-10, 2e9, allow_nan=False)


@given(st.lists(st.tuples(st.floats(-10, 1e6, allow_nan=False), times), min_size=1, max_size=20), st.booleans())
def test_ids_say_time_and_number_and_only_ever_grow(clocks: list[tuple[float, float | None]], restart: bool) -> None:
    line = Line()
    for found, (pts_s, timestamp_s) in zip(scene(3, len(clocks)), clocks, strict=False):
        if restart:
            line.restarted()
        line.send(replace(found, frame=replace(found.frame, pts_s=pts_s, timestamp_s=timestamp_s)))
    line.send(EndOfSource(SOURCE, 1, len(clocks)))
    ids = line.ids()
    assert [seq for _, seq in ids] == list(range(len(clocks) + 1))
    wanted, newest = [], 1
    for pts_s, timestamp_s in clocks:
        newest = max(newest, int((pts_s if timestamp_s is None else timestamp_s) * 1000))
        wanted.append(newest)
    assert [milliseconds for milliseconds, _ in ids] == [*wanted, newest]


def test_counts_and_latencies_survive_a_restart() -> None:
    line = Line()
    found = scene(5, 60)
    for message in found:
        line.restarted()
        line.send(message)
    saved = line.broker.get_fields(keys.checkpoint(SOURCE))
    failed = sum(message.error is not None for message in found)
    assert failed > 0
    assert (int(saved["ok"]), int(saved["failed"])) == (60 - failed, failed)
    assert int(saved["objects"]) == sum(len(message) for message in found)
    assert LatencyHistogram(saved["latency"]).quantile_s(0.5) is not None


def test_a_failed_frame_is_published_in_its_place_and_moves_no_track() -> None:
    line = Line(TrackerSettings())
    found = scene(1, 2)
    line.send(Detections.failed(found[0].frame, "damaged"), found[1])
    entries = published(line.broker)
    assert (entries[0]["error"], entries[1]["error"]) == ("damaged", None)


def test_the_ledger_says_what_is_published(line: Line) -> None:
    line.send(*scene(1, 3))
    assert Ledger(line.broker, SOURCE).read().published == 2
    line.send(EndOfSource(SOURCE, 1, 3))
    standing = Ledger(line.broker, SOURCE).read()
    assert standing.finished(()) and (standing.published, standing.frames) == (2, 3)


def test_tracks_are_not_kept_behind_the_end() -> None:
    line = Line(TrackerSettings())
    line.send(*scene(1, 5))
    assert line.broker.get_fields(keys.checkpoint(SOURCE))["tracks"]
    line.send(EndOfSource(SOURCE, 1, 5))
    assert not line.broker.get_fields(keys.checkpoint(SOURCE))["tracks"]
