"""A camera: in the order in which frames were taken, gaps told, and nobody waits for an answer that was lost."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import keys
from pipeline.broker import Delivery
from pipeline.ledger import Ledger
from pipeline.messages import Detections, EndOfSource, FrameMeta
from pipeline.retention import OVERHEAD_BYTES, Retention
from stages.tracker.live_channel import LiveChannel
from stages.tracker.settings import TrackerSettings
from tests.fakes import MemoryBroker
from tests.stages.tracker.scenes import SOURCE, numbers, published

SETTINGS = TrackerSettings(patience_s=2.0)
RETAIN = 50


def frame(seq: int, previous: int, epoch: int = 1, **extra: object) -> Detections:
    meta = FrameMeta(SOURCE, epoch, seq, seq / 10, 640, 480, 1000 + seq / 10, previous=previous)
    one = (np.array([0.9], np.float32), np.zeros(1, np.int32), ("car",), np.full(1, -1, np.int64))
    box = np.array([[10 + seq, 10, 60 + seq, 60]], np.float32)
    return replace(Detections(meta, box, *one), **extra)  # type: ignore[arg-type]


def chain(*seqs: int) -> list[Detections]:
    """Return frames of which each was taken after the one before."""
    return [frame(seq, previous) for previous, seq in zip([-1, *seqs], seqs, strict=False)]


class Line:
    """A channel, whose clock stands still."""

    def __init__(self, **less: float) -> None:
        self.broker, self.now_s, self.retain = MemoryBroker(), 0.0, Retention(RETAIN, **less)
        self.channel = self.restarted()
        self._sent = 0

    def restarted(self) -> LiveChannel:
        self.channel = LiveChannel(self.broker, SOURCE, SETTINGS, self.retain, lambda: self.now_s)
        return self.channel

    def send(self, *messages: Detections | EndOfSource) -> None:
        for message in messages:
            self._sent += 1
            with self.broker.transaction() as transaction:
                transaction.append(keys.RAW_LIVE, b"")
            self.channel.accept(Delivery(keys.RAW_LIVE, f"{self._sent}-0", b""), message)
        self.publish()

    def publish(self) -> None:
        with self.broker.transaction() as transaction:
            self.channel.publish(transaction)

    def due(self) -> bool:
        return self.channel.due

    def dropped(self) -> list[int]:
        return [entry["dropped_before"] for entry in published(self.broker)]


@pytest.fixture
def line() -> Line:
    return Line()


def test_each_message_says_how_many_frames_it_stands_after(line: Line) -> None:
    line.send(*chain(3, 4, 9))
    assert numbers(line.broker) == [3, 4, 9]
    assert line.dropped() == [3, 0, 4]


@given(st.permutations(range(6)))
def test_any_order_of_answers_is_published_in_the_order_of_the_frames(order: Sequence[int]) -> None:
    line = Line()
    frames = chain(2, 5, 6, 11, 12, 30)
    line.send(*(frames[number] for number in order))
    assert numbers(line.broker) == [2, 5, 6, 11, 12, 30]
    assert line.dropped() == [2, 2, 0, 4, 0, 17]


def test_a_lost_answer_is_waited_for_and_then_told_as_dropped(line: Line) -> None:
    first, lost, third, fourth = chain(0, 1, 2, 3)
    line.send(first, third)
    line.now_s = 1.9
    line.send(fourth)
    assert (numbers(line.broker), line.due()) == ([0], False)
    line.now_s = 2.1
    assert line.due()
    line.publish()
    assert numbers(line.broker) == [0, 2, 3] and line.dropped() == [0, 1, 0]
    line.send(lost)
    assert numbers(line.broker) == [0, 2, 3]


def test_a_second_answer_of_a_frame_is_not_published(line: Line) -> None:
    first, second = chain(0, 1)
    line.send(first, first, second, first, second)
    assert numbers(line.broker) == [0, 1]


def test_order_goes_on_over_a_restart(line: Line) -> None:
    first, second, third = chain(0, 4, 5)
    line.send(first)
    line.restarted()
    line.send(third)
    assert numbers(line.broker) == [0]
    line.send(second)
    assert numbers(line.broker) == [0, 4, 5] and line.dropped() == [0, 3, 0]


def test_track_numbers_go_on_over_a_restart(line: Line) -> None:
    for message in chain(*range(8)):
        line.send(message)
        line.restarted()
    ids = [entry["tracker_id"][2] for entry in published(line.broker)]
    assert ids[2:] == [ids[2]] * 6 and ids[2] == [1]


def test_a_new_decoder_goes_on_with_what_the_old_one_had_begun(line: Line) -> None:
    line.send(frame(0, -1))
    line.send(frame(7, 5, epoch=2))
    line.send(frame(5, 0, epoch=1))
    assert numbers(line.broker) == [0, 5, 7]


def test_numbers_that_begin_anew_with_a_newer_epoch_are_taken(line: Line) -> None:
    line.send(*chain(500, 501))
    line.send(frame(3, -1, epoch=9))
    assert numbers(line.broker) == [500, 501, 3]
    assert line.dropped() == [500, 0, 0]


def test_an_idle_cameras_tracks_stay(line: Line) -> None:
    line.send(*chain(0, 1, 2))
    for seq in range(3, 600):
        line.send(replace(Detections.none(frame(seq, seq - 1).frame), skipped="motion"))
    moved = frame(600, 599)
    line.send(replace(moved, xyxy=frame(3, 2).xyxy))
    last = published(line.broker)[-1]
    assert last["tracker_id"][2] == [1]
    saved = line.broker.get_fields(keys.checkpoint(SOURCE))
    assert (int(saved["ok"]), int(saved["skipped"])) == (4, 597)


def test_a_camera_that_is_rarely_looked_at_keeps_its_tracks(line: Line) -> None:
    seqs = range(0, 600, 30)  # every three seconds
    for previous, seq in zip([-1, *seqs], seqs, strict=False):
        line.send(replace(frame(seq, previous), xyxy=np.array([[10, 10, 60, 60]], np.float32)))
    ids = [entry["tracker_id"][2] for entry in published(line.broker)]
    assert ids[-10:] == [ids[-1]] * 10 and ids[-1] != [-1]


def test_the_public_stream_keeps_so_many_entries_whoever_reads(line: Line) -> None:
    for message in chain(*range(3 * RETAIN)):
        line.send(message)
    assert numbers(line.broker) == list(range(2 * RETAIN, 3 * RETAIN))


def test_it_keeps_so_many_seconds_if_that_is_less() -> None:
    line = Line(seconds=2.0)
    for message in chain(*range(2 * RETAIN)):  # a tenth of a second each
        line.send(message)
    kept = numbers(line.broker)
    assert kept[-1] == 2 * RETAIN - 1 and 20 <= len(kept) <= 20 + 16


def test_it_keeps_so_many_bytes_if_that_is_less() -> None:
    line = Line(mb=10 * 600 / (1 << 20))
    for message in chain(*range(2 * RETAIN)):
        line.send(message)
    bodies = line.broker.bodies(keys.detections(SOURCE))
    assert 3000 < sum(len(body) + OVERHEAD_BYTES for body in bodies) < 7000


def test_the_end_waits_for_answers_on_their_way_and_the_camera_may_come_back(line: Line) -> None:
    first, second = chain(0, 4)
    line.send(first, EndOfSource(SOURCE, 1, 9))
    assert numbers(line.broker) == [0]
    line.send(second)
    line.now_s = 2.1
    line.publish()
    assert numbers(line.broker) == [0, 4, -9] and line.channel.ended
    standing = Ledger(line.broker, SOURCE).read()
    assert (standing.number("ended", 0), standing.published) == (1, 4)
    line.restarted()
    line.send(frame(8, 4))
    assert numbers(line.broker) == [0, 4, -9]
    line.send(frame(12, 8, epoch=2))
    line.now_s = 5.0
    line.publish()
    assert numbers(line.broker) == [0, 4, -9, 12] and not line.channel.ended


def test_an_end_of_an_epoch_that_is_over_is_none(line: Line) -> None:
    line.send(frame(3, -1, epoch=2), EndOfSource(SOURCE, 1, 3))
    line.now_s = 5.0
    line.publish()
    assert numbers(line.broker) == [3] and not line.channel.ended
