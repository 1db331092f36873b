"""Each frame of a camera has a number, and the newest one that is worth a look is what a detector gets."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import keys
from pipeline.errors import ConfigError, FrameExpiredError, FrameStoreError
from pipeline.ledger import Ledger, Standing
from pipeline.messages import Detections, EndOfSource, FrameMeta
from pipeline.settings import FlowSettings
from pipeline.wire import decode
from stages.decoder.live import feed as module
from stages.decoder.live.captured import Captured
from stages.decoder.live.feed import Feed, FeedOver
from stages.decoder.live.settings import LiveSettings
from tests.fakes import MemoryBroker
from tests.fakes_store import MemoryStore
from tests.pipeline.broker_steps import DEADLINE_S
from tests.planes import assert_same
from tests.stages.decoder.live.scripted import shot
from tests.stages.synthetic import SIDE, full_of

FLOW: Final = FlowSettings(picture_size=(SIDE, SIDE))
SLOTS: Final = 10
MOTION: Final = {"enabled": True, "force_every_s": 1000}
DETECT_BYTES: Final = 3 * SIDE * SIDE


class Gate:
    """A camera whose frames go through feeds of one decoder after the other, and whoever looks at them."""

    def __init__(self) -> None:
        self.broker, self.store = MemoryBroker(), MemoryStore()
        self.asked: list[tuple[int, float]] = []

    def feed(self, flow: FlowSettings = FLOW, **chosen: Any) -> Feed:
        wanted = LiveSettings.model_validate({"url": "rtsp://cam/x", **chosen})
        feed = Feed(self.broker, self.store, "gate", wanted, flow, self._slots, revision=7)
        feed.begin("h264", 25.0)
        return feed

    def _slots(self, slot_bytes: int, fps: float) -> int:
        self.asked.append((slot_bytes, fps))
        return SLOTS

    @property
    def standing(self) -> Standing:
        return Ledger(self.broker, "gate").read()

    def items(self) -> int:
        """Return how many turns there have been."""
        return len(self.broker.bodies(keys.LIVE))

    def look(self) -> tuple[FrameMeta, int] | None:
        """Take the newest frame, as a detector does; return it and the one taken before, None if there is none."""
        for bound in self.broker.bind(1):
            meta = decode(bound.meta)
            assert isinstance(meta, FrameMeta)
            return meta, bound.previous
        return None

    def seen(self) -> int | None:
        """Take the newest frame and return its number, None if there is none."""
        looked = self.look()
        return None if looked is None else looked[0].seq

    def pixels(self, meta: FrameMeta) -> int:
        """Return the colour of a frame's picture for the detector."""
        return int(self.store.detect(meta.source, meta.epoch, meta.seq).max())

    def skipped(self) -> list[tuple[int, int | None]]:
        """Return the frames in which nothing moved, each with the one before."""
        found = [decode(body) for body in self.broker.bodies(keys.RAW_LIVE)]
        return [
            (message.frame.seq, message.frame.previous)
            for message in found
            if isinstance(message, Detections) and message.skipped == "motion"
        ]

    def ends(self) -> list[EndOfSource]:
        found = [decode(body) for body in self.broker.bodies(keys.RAW_LIVE)]
        return [message for message in found if isinstance(message, EndOfSource)]


@pytest.fixture
def gate() -> Gate:
    return Gate()


def take(feed: Feed, *frames: Captured | int) -> None:
    for frame in frames:
        feed.take(shot(frame) if isinstance(frame, int) else frame)


def still(number: int, moved: tuple[slice, slice] | None = None) -> Captured:
    """Return a grey frame of 320x180, something white in a part of it."""

    def scaled(width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        image = np.full((180, 320, 3), 90, np.uint8)
        if moved is not None:
            image[moved] = 255
        return image if (width, height) == (320, 180) else np.full((height, width, 3), 90, np.uint8)

    return Captured(320, 180, number / 25, 1000 + number / 25, time.time_ns(), scaled)


def test_the_newest_frame_is_what_is_looked_at_with_all_that_is_known_of_it(gate: Gate) -> None:
    feed = gate.feed()
    take(feed, 0, 1, 2)
    assert gate.items() == 1
    looked = gate.look()
    assert looked is not None
    meta, previous = looked
    assert (meta.source, meta.epoch, meta.seq, previous) == ("gate", feed.epoch, 2, -1)
    assert (meta.width, meta.height, meta.pts_s, meta.timestamp_s) == (SIDE, SIDE, 2 / 25, 1000 + 2 / 25)
    assert 0 < meta.captured_ns <= meta.decoded_ns and not meta.corrupt and meta.roi is None
    assert gate.pixels(meta) == 2
    assert_same(gate.store.full("gate", feed.epoch, 2), full_of(2))


def test_what_the_camera_says_of_itself_is_known(gate: Gate) -> None:
    take(gate.feed(fps=5), 0)
    standing = gate.standing
    assert (standing.text("codec"), standing.number("width", 0), standing.number("height", 0)) == ("h264", SIDE, SIDE)
    assert float(standing.fields["fps"]) == 5.0
    assert standing.live and gate.broker.members(keys.SOURCES) == {"gate"}
    assert gate.asked == [(DETECT_BYTES + DETECT_BYTES // 2, 5.0)]


def test_without_a_sink_that_draws_no_full_picture_is_stored(gate: Gate) -> None:
    feed = gate.feed(FLOW.model_copy(update={"full_size": False}))
    take(feed, 0)
    assert gate.asked == [(DETECT_BYTES, 25.0)]
    with pytest.raises(FrameExpiredError):
        gate.store.full("gate", feed.epoch, 0)


def test_the_part_that_is_looked_at_is_told_with_the_frame(gate: Gate) -> None:
    take(gate.feed(roi="0.5,0,1,0.5"), 0)
    looked = gate.look()
    assert looked is not None and looked[0].roi == (14, 0, 28, 14)


def test_frames_that_nobody_took_in_time_have_numbers_too(gate: Gate) -> None:
    feed = gate.feed()
    take(feed, 0, shot(1, missed=6))
    assert (gate.seen(), feed.next, feed.tally.captured, feed.tally.offered) == (7, 8, 8, 2)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["look", "skip", "say", "publish", "nothing"])), max_size=6)
)
@settings(deadline=None, max_examples=40)
def test_numbers_go_on_over_decoders_and_are_never_used_twice(decoders: list[tuple[int, str]]) -> None:
    gate, used = Gate(), -1
    for count, then in decoders:
        feed = gate.feed()
        assert feed.next > used
        take(feed, *range(count))
        if count:
            used = feed.next - 1
        if then == "look" and gate.items():
            gate.look()
        if then == "skip":
            passed = gate.broker.pass_over(keys.live("gate"), feed.epoch, feed.next)
            used = used if passed is None else feed.next
        if then == "say":
            Ledger(gate.broker, "gate").write({"captured": used + 5})
            used += 4
        if then == "publish":
            gate.broker.hashes.pop(keys.live("gate"), None)  # of it nothing is left but what the tracker knows
            gate.broker.hashes[keys.checkpoint("gate")] = {"following": b"%d" % (used + 1)}


def test_a_decoder_that_was_superseded_is_told_and_changes_nothing(gate: Gate) -> None:
    first = gate.feed()
    take(first, 0)
    second = gate.feed()
    late: list[Callable[[], object]] = [lambda: take(first, 1), lambda: first.begin("hevc", 5.0), first.end, first.keep]
    for act in late:
        with pytest.raises(FeedOver):
            act()
    take(second, 1)
    second.keep()
    assert gate.seen() == 1 and gate.standing.epoch == second.epoch
    assert gate.standing.text("codec") == "h264" and gate.ends() == []


def test_a_decoder_that_was_superseded_does_not_come_back_with_larger_pictures(gate: Gate) -> None:
    first = gate.feed()
    take(first, 0)
    second = gate.feed()
    with pytest.raises(FeedOver):
        take(first, shot(1, side=2 * SIDE))
    assert gate.standing.epoch == second.epoch


def test_a_decoder_that_was_superseded_is_told_though_nothing_moves(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHECK_S", 0.0)
    first = gate.feed(motion=MOTION)
    take(first, still(0))
    gate.feed()
    with pytest.raises(FeedOver):
        take(first, still(1))
    assert gate.skipped() == []


def test_a_broker_that_has_lost_its_memory_is_told_of_a_new_epoch(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHECK_S", 0.0)
    feed = gate.feed(fps=25)
    take(feed, 0, 1)
    before = feed.epoch
    gate.broker.hashes.clear()
    gate.broker.sets.clear()
    gate.broker.streams.clear()
    take(feed, 2, 3)
    assert gate.standing.epoch == feed.epoch > before
    assert gate.standing.live and gate.broker.members(keys.SOURCES) == {"gate"}
    assert (gate.standing.text("codec"), gate.standing.number("width", 0)) == ("h264", SIDE)
    looked = gate.look()
    assert looked is not None and (looked[0].epoch, looked[0].seq) == (feed.epoch, 3)
    assert gate.pixels(looked[0]) == 3


def test_no_more_frames_are_offered_than_asked_for_and_all_are_numbered(gate: Gate) -> None:
    feed = gate.feed(fps=5)
    offered = []
    for number in range(50):
        take(feed, number)
        if gate.items() and (seq := gate.seen()) is not None:
            offered.append(seq)
    assert offered == list(range(0, 50, 5))
    assert (feed.next, feed.tally.captured, feed.tally.offered) == (50, 50, 10)


def test_a_damaged_frame_is_counted_and_not_looked_at(gate: Gate) -> None:
    feed = gate.feed()
    take(feed, 0, shot(1, corrupt="it is green"), shot(2, corrupt="it is green"))
    assert gate.seen() == 0
    take(feed, 3)
    looked = gate.look()
    assert looked is not None and (looked[0].seq, looked[1], looked[0].corrupt) == (3, 0, False)
    assert (feed.tally.captured, feed.tally.corrupt, feed.tally.offered) == (4, 2, 2)


def test_a_damaged_frame_is_looked_at_with_a_mark_if_that_is_wished(gate: Gate) -> None:
    feed = gate.feed(corrupt="mark")
    take(feed, 0, shot(1, corrupt="it is green"))
    looked = gate.look()
    assert looked is not None and looked[0].seq == 1 and looked[0].corrupt
    assert (feed.tally.corrupt, feed.tally.offered) == (1, 2)


def test_frames_in_which_nothing_moves_are_told_each_after_the_one_before(gate: Gate) -> None:
    feed = gate.feed(motion=MOTION)
    take(feed, still(0))
    assert gate.seen() == 0
    take(feed, still(1), still(2), still(3))
    assert gate.skipped() == [(1, 0), (2, 1), (3, 2)]
    take(feed, still(4, np.s_[20:60, 20:60]))
    looked = gate.look()
    assert looked is not None and (looked[0].seq, looked[1]) == (4, 3)
    assert (feed.tally.captured, feed.tally.skipped, feed.tally.offered) == (5, 3, 2)


def test_where_a_frame_waits_to_be_looked_at_still_ones_behind_it_are_dropped(gate: Gate) -> None:
    feed = gate.feed(motion=MOTION)
    take(feed, still(0), still(1), still(2))
    assert gate.skipped() == [] and feed.tally.skipped == 0
    looked = gate.look()
    assert looked is not None and (looked[0].seq, looked[1]) == (0, -1)
    take(feed, still(3))
    assert gate.skipped() == [(3, 0)]


def test_only_what_moves_in_the_part_that_is_looked_at_counts(gate: Gate) -> None:
    feed = gate.feed(motion=MOTION, roi="0,0.5,1,1")
    take(feed, still(0))
    gate.look()
    take(feed, still(1, np.s_[10:60, 10:60]))
    assert gate.skipped() == [(1, 0)]
    take(feed, still(2, np.s_[120:160, 10:60]))
    assert gate.seen() == 2


@pytest.mark.parametrize("roi", ["0,0.999,1,1", "0.9999,0,1,1", "0.9999,0.9999,1,1", "5000,3000,5001,3001"])
def test_a_part_as_narrow_as_a_line_is_looked_at_too(gate: Gate, roi: str) -> None:
    feed = gate.feed(motion=MOTION, roi=roi)
    wide = Captured(1920, 1080, 0.0, 1000.0, 1, lambda width, height: np.zeros((height, width, 3), np.uint8))
    take(feed, wide)
    assert gate.seen() == 0


def test_larger_pictures_begin_a_new_epoch_and_smaller_ones_do_not(gate: Gate) -> None:
    feed = gate.feed()
    take(feed, 0, shot(1, side=SIDE // 2))
    first = feed.epoch
    assert gate.seen() == 1 and gate.standing.epoch == first
    take(feed, 2, shot(3, side=2 * SIDE))
    assert gate.standing.epoch == feed.epoch > first
    looked = gate.look()
    assert looked is not None and (looked[0].seq, looked[0].epoch, looked[1]) == (3, feed.epoch, 1)
    assert gate.pixels(looked[0]) == 3 and gate.standing.number("width", 0) == 2 * SIDE
    take(feed, 4)
    assert len(gate.asked) == 2 and gate.standing.number("width", 0) == SIDE


def test_a_frame_of_smaller_pictures_is_not_looked_at_any_more_then(gate: Gate) -> None:
    feed = gate.feed()
    take(feed, 0)
    take(feed, shot(1, side=2 * SIDE))
    assert gate.seen() == 1 and gate.seen() is None


def test_time_goes_on_where_the_decoder_before_was(gate: Gate) -> None:
    take(gate.feed(), shot(0, at_s=5000.0))
    assert gate.feed().clock.stamp(0.0, None, 4000.0, time.monotonic()) > 5000.0


def test_the_end_says_how_many_there_were_and_which_one_was_taken_last(gate: Gate) -> None:
    feed = gate.feed()
    take(feed, 0, 1)
    gate.look()
    take(feed, 2)
    feed.end("enough")
    (end,) = gate.ends()
    assert (end.source, end.epoch, end.frames, end.last, end.error) == ("gate", feed.epoch, 3, 1, "enough")
    standing = gate.standing
    assert (standing.ended_epoch, standing.error, standing.number("ended_revision", 0)) == (feed.epoch, "enough", 7)


def test_it_is_finished_when_all_who_must_see_it_are(gate: Gate) -> None:
    feed = gate.feed()
    take(feed, 0)
    feed.end()
    assert not feed.finished()
    Ledger(gate.broker, "gate").write({"ended": feed.epoch, "finished.annotator": feed.epoch})
    assert feed.finished()
    later = gate.feed()
    assert not later.finished() and feed.finished()


def closing(feed: Feed, linger_s: float) -> threading.Thread:
    thread = threading.Thread(target=feed.close, args=(linger_s,), daemon=True)
    thread.start()
    return thread


def test_closed_it_takes_its_item_back_and_frees_the_pixels(gate: Gate) -> None:
    feed = gate.feed()
    take(feed, 0)
    feed.close(DEADLINE_S)
    assert gate.look() is None
    with pytest.raises(FrameExpiredError):
        gate.store.detect("gate", feed.epoch, 0)
    feed.close()


def test_pixels_stay_until_those_who_look_at_them_are_done(gate: Gate) -> None:
    feed = gate.feed()
    take(feed, 0, 1)
    looked = gate.look()
    assert looked is not None
    thread = closing(feed, DEADLINE_S)
    thread.join(0.1)
    assert thread.is_alive() and gate.pixels(looked[0]) == 1
    Ledger(gate.broker, "gate").write({"done.annotator": 1})
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


@pytest.mark.parametrize("happens", [lambda gate: None, lambda gate: gate.feed()], ids=["too long", "superseded"])
def test_pixels_do_not_stay_for_ever(gate: Gate, happens: Callable[[Gate], object]) -> None:
    feed = gate.feed()
    take(feed, 0)
    gate.look()
    happens(gate)
    began_s = time.monotonic()
    feed.close(0.05)
    assert time.monotonic() - began_s < DEADLINE_S and gate.store.writers["gate"][feed.epoch].closed


def test_too_little_memory_is_said(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_little(slot_bytes: int, fps: float) -> int:
        raise ConfigError("memory_mb 64 is too small")

    monkeypatch.setattr(gate, "_slots", too_little)
    with pytest.raises(ConfigError, match="memory_mb 64"):
        take(gate.feed(), 0)


def test_a_store_without_room_offers_nothing(gate: Gate) -> None:
    feed = gate.feed()
    take(feed, 0)
    gate.look()
    gate.store.close()
    with pytest.raises(FrameStoreError):
        take(feed, 1)
    assert gate.items() == 1
