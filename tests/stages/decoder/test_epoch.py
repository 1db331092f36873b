"""One pass over a source: numbers, the window, what supersedes it, and how it ends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import keys
from pipeline.errors import FrameExpiredError
from pipeline.ledger import Ledger
from pipeline.messages import Detections, EndOfSource, FrameMeta, Message
from pipeline.settings import FlowSettings
from pipeline.wire import decode
from stages.decoder.epoch import Epoch, EpochOver
from stages.decoder.sizes import PictureSizes
from stages.decoder.source import SourceFacts
from stages.detector.letterbox import Letterbox
from tests.fakes import MemoryBroker
from tests.fakes_store import MemoryStore
from tests.planes import assert_same
from tests.stages.synthetic import FPS, SIDE, SyntheticVideo, full_of, picture_of

SOURCE: Final = "gate"
FLOW: Final = FlowSettings(picture_size=(SIDE // 2, SIDE // 2))
MANY: Final = 100
LONG: Final = 73


@dataclass
class Desk:
    """A decoder's surroundings, and what it leaves in them."""

    broker: MemoryBroker = field(default_factory=MemoryBroker)
    store: MemoryStore = field(default_factory=MemoryStore)
    flow: FlowSettings = FLOW

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.broker, SOURCE)

    def report(self, **positions: int) -> None:
        self.ledger.write({name.replace("_", "."): seq for name, seq in positions.items()})

    def epoch(self, wanted: Callable[[], bool] = lambda: True) -> Epoch:
        return Epoch(self.broker, self.ledger, self.flow, wanted)

    def decode(
        self, video: SyntheticVideo, window: int = MANY, wanted: Callable[[], bool] = lambda: True, lanes: int = 1
    ) -> Epoch:
        epoch = self.epoch(wanted)
        sizes = PictureSizes.of(video.facts.width, video.facts.height, self.flow)
        writer = self.store.create(SOURCE, epoch.number, window + 2, sizes.slot_bytes, any_order=lanes > 1)
        epoch.decode(video, writer, sizes, window, lanes)
        return epoch

    def messages(self, stream: str) -> list[Message]:
        return [decode(body) for body in self.broker.bodies(stream)]

    def announced(self) -> list[int]:
        return [message.seq for message in self.messages(keys.FRAMES) if isinstance(message, FrameMeta)]

    def stored(self, epoch: int) -> list[int]:
        return sorted(self.store.writers[SOURCE][epoch].frames)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_new_source_is_numbered_from_zero_and_announced_in_order(desk: Desk) -> None:
    epoch = desk.decode(SyntheticVideo(5))
    assert desk.announced() == [0, 1, 2, 3, 4] == desk.stored(epoch.number)
    meta = desk.messages(keys.FRAMES)[3]
    assert isinstance(meta, FrameMeta)
    assert (meta.source, meta.epoch, meta.seq, meta.pts_s) == (SOURCE, epoch.number, 3, 3 / FPS)
    assert (meta.width, meta.height) == (SIDE, SIDE)
    assert 0 < meta.captured_ns <= meta.decoded_ns


def test_both_pictures_of_a_frame_are_stored_before_it_is_announced(desk: Desk) -> None:
    epoch = desk.decode(SyntheticVideo(3))
    full = desk.store.full(SOURCE, epoch.number, 2)
    assert_same(full, full_of(2))
    assert (full.width, full.height) == (SIDE, SIDE)
    assert desk.store.detect(SOURCE, epoch.number, 2).shape == (SIDE // 2, SIDE // 2, 3)


def test_without_a_sink_that_draws_only_the_small_picture_is_stored(desk: Desk) -> None:
    desk.flow = FLOW.model_copy(update={"full_size": False})
    epoch = desk.decode(SyntheticVideo(1))
    assert desk.store.detect(SOURCE, epoch.number, 0).any() == picture_of(0).any()
    with pytest.raises(FrameExpiredError):
        desk.store.full(SOURCE, epoch.number, 0)


@given(st.integers(-1, 9), st.integers(-1, 9), st.integers(-1, 9))
def test_it_begins_behind_the_slowest_consumer_and_announces_only_what_is_not_published(
    first: int, second: int, ahead: int
) -> None:
    desk = Desk(flow=FLOW.model_copy(update={"required": ("a", "b")}))
    done = min(first, second)
    published = max(first, second) + ahead + 1
    desk.report(done_a=first, done_b=second, published=published)
    epoch = desk.decode(SyntheticVideo(20))
    assert epoch.start == done + 1
    assert desk.stored(epoch.number) == list(range(done + 1, 20))
    assert desk.announced() == list(range(published + 1, 20))


def test_a_published_frame_gets_only_the_picture_for_drawing(desk: Desk) -> None:
    desk.report(done_annotator=2, published=6)
    epoch = desk.decode(SyntheticVideo(8))
    assert_same(desk.store.full(SOURCE, epoch.number, 3), full_of(3))
    with pytest.raises(FrameExpiredError):
        desk.store.detect(SOURCE, epoch.number, 6)
    desk.store.detect(SOURCE, epoch.number, 7)


@given(st.integers(1, 5))
def test_it_stops_at_the_edge_of_the_window_and_goes_on_when_done_moves(window: int) -> None:
    desk, ahead = Desk(), []

    def consume() -> bool:
        standing = desk.ledger.read()
        ahead.append(standing.decoded - 1 - standing.done(FLOW.required))
        desk.report(done_annotator=min(standing.done(FLOW.required) + 1, standing.decoded - 1))
        return True

    desk.decode(SyntheticVideo(12), window, consume)
    assert desk.announced() == list(range(12))
    assert max(ahead) == window


def test_at_the_edge_it_stays_as_long_as_nobody_moves(desk: Desk) -> None:
    asked = iter(range(20))
    with pytest.raises(EpochOver):
        desk.decode(SyntheticVideo(12), 4, lambda: next(asked) < 10)
    assert desk.announced() == [0, 1, 2, 3]
    assert desk.messages(keys.RAW) == []


SUPERSEDED: Final[dict[str, Callable[[Desk], object]]] = {
    "a sink asks for pixels again": lambda desk: desk.ledger.request_rewind(),
    "another decoder has begun an epoch": lambda desk: desk.ledger.begin_epoch(),
    "the lease is lost, or the process is to stop": lambda desk: desk.report(lost=1),
}


@pytest.mark.parametrize("what", SUPERSEDED)
def test_it_is_over_at_the_edge_when(what: str, desk: Desk) -> None:
    desk.epoch()

    def wanted() -> bool:
        SUPERSEDED[what](desk)
        return not desk.ledger.read().number("lost", 0)

    with pytest.raises(EpochOver):
        desk.decode(SyntheticVideo(12), 4, wanted)
    assert not [message for message in desk.messages(keys.RAW) if isinstance(message, EndOfSource)]


@pytest.mark.parametrize("what", SUPERSEDED)
def test_it_is_over_without_ever_having_to_wait_when(what: str, desk: Desk) -> None:
    def before(seq: int) -> None:
        desk.report(done_annotator=seq - 1)
        if seq == 3:
            SUPERSEDED[what](desk)

    with pytest.raises(EpochOver):
        desk.decode(SyntheticVideo(10_000_000, before=before), 4, lambda: not desk.ledger.read().number("lost", 0))


@pytest.mark.parametrize("what", SUPERSEDED)
def test_it_is_over_behind_the_last_frame_when(what: str, desk: Desk) -> None:
    epoch = desk.decode(SyntheticVideo(2), wanted=lambda: not desk.ledger.read().number("lost", 0))
    SUPERSEDED[what](desk)
    with pytest.raises(EpochOver):
        epoch.wait_until_finished()


def test_a_rewind_that_was_asked_for_before_is_answered_by_it(desk: Desk) -> None:
    desk.report(done_annotator=7, published=9)
    desk.report(done_annotator=3)
    desk.ledger.request_rewind()
    epoch = desk.decode(SyntheticVideo(10))
    assert epoch.start == 4
    desk.report(finished_annotator=1)
    epoch.wait_until_finished()


def test_a_frame_that_is_damaged_is_reported_as_failed_in_its_place(desk: Desk) -> None:
    epoch = desk.decode(SyntheticVideo(5, broken=(1, 4)))
    assert desk.announced() == [0, 2, 3]
    first, second, end = desk.messages(keys.RAW)
    assert isinstance(first, Detections) and isinstance(second, Detections)
    assert (first.frame.seq, first.error, second.frame.seq) == (1, "frame 1 is damaged", 4)
    assert end == EndOfSource(SOURCE, epoch.number, 5)
    with pytest.raises(FrameExpiredError):
        desk.store.full(SOURCE, epoch.number, 1)


def test_a_damaged_frame_that_is_published_is_not_reported_again(desk: Desk) -> None:
    desk.report(published=2)
    desk.decode(SyntheticVideo(5, broken=(1,)))
    assert [type(message) for message in desk.messages(keys.RAW)] == [EndOfSource]


def test_the_end_carries_the_number_of_frames(desk: Desk) -> None:
    epoch = desk.decode(SyntheticVideo(5))
    assert desk.messages(keys.RAW) == [EndOfSource(SOURCE, epoch.number, 5)]
    standing = desk.ledger.read()
    assert (standing.frames, standing.decoded, standing.error, standing.ended_epoch) == (5, 5, None, epoch.number)
    assert (standing.text("codec"), standing.number("expected", 0)) == ("none", 5)


def test_an_early_end_carries_its_reason(desk: Desk) -> None:
    epoch = desk.decode(SyntheticVideo(9, fails_at=4))
    assert desk.messages(keys.RAW) == [EndOfSource(SOURCE, epoch.number, 4, "the file ends at frame 4")]
    assert desk.ledger.read().error == "the file ends at frame 4"
    assert desk.announced() == [0, 1, 2, 3]


def test_an_end_that_comes_earlier_than_in_an_earlier_epoch_is_behind_what_is_published(desk: Desk) -> None:
    desk.report(done_annotator=2, published=7)
    epoch = desk.decode(SyntheticVideo(20, fails_at=5))
    assert desk.messages(keys.RAW) == [EndOfSource(SOURCE, epoch.number, 8, "the file ends at frame 5")]
    assert desk.ledger.read().frames == 8


def test_everything_done_already_leaves_only_the_end_to_say(desk: Desk) -> None:
    desk.report(done_annotator=4, published=4)
    epoch = desk.decode(SyntheticVideo(5))
    assert desk.announced() == []
    assert desk.messages(keys.RAW) == [EndOfSource(SOURCE, epoch.number, 5)]


def test_an_empty_source_ends_at_once(desk: Desk) -> None:
    epoch = desk.decode(SyntheticVideo(0))
    assert desk.messages(keys.RAW) == [EndOfSource(SOURCE, epoch.number, 0)]


@given(st.lists(st.integers(0, 30), max_size=5), st.integers(0, 30))
def test_interrupted_anywhere_each_frame_is_announced_once_in_each_epoch_that_comes_to_it(
    stops: list[int], done: int
) -> None:
    desk, numbers = Desk(), []

    def killed_at(stop: int) -> Callable[[int], None]:
        def before(seq: int) -> None:
            if seq == stop:
                raise InterruptedError

        return before

    for stop in [*stops, -1]:
        first = desk.ledger.read().published + 1
        try:
            numbers.append(desk.decode(SyntheticVideo(30, before=killed_at(stop))).number)
        except InterruptedError:
            numbers.append(desk.ledger.read().epoch)
        metas = [message for message in desk.messages(keys.FRAMES) if isinstance(message, FrameMeta)]
        own = [meta.seq for meta in metas if meta.epoch == numbers[-1]]
        assert own == list(range(first, first + len(own)))
        desk.report(published=max(first - 1, min(first + len(own) - 1, done)))
    assert numbers == sorted(set(numbers))


def test_an_epoch_that_ends_by_an_error_is_over_for_everybody(desk: Desk) -> None:
    epoch = desk.epoch()
    with pytest.raises(InterruptedError), epoch.fenced():
        raise InterruptedError
    assert desk.ledger.read().epoch == epoch.number + 1
    with epoch.fenced():
        pass
    with pytest.raises(InterruptedError), epoch.fenced():
        raise InterruptedError
    assert desk.ledger.read().epoch == epoch.number + 1


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([(320, 320), (640, 640), (384, 640)]))
def test_the_small_picture_has_the_size_that_the_letterbox_would_scale_it_to(
    width: int, height: int, size: tuple[int, int]
) -> None:
    facts = SourceFacts(width, height, FPS, None, None, None, "none")
    flow = FlowSettings(picture_size=(size[0] - 4, size[1] - 4), full_size=False)
    sizes = PictureSizes.of(facts.width, facts.height, flow)
    assert sizes.detect == Letterbox(size).picture_size(width, height)
    assert sizes.slot_bytes == 3 * sizes.detect[0] * sizes.detect[1]


@pytest.mark.parametrize("window", [4, 12, MANY])
def test_lanes_store_and_announce_each_frame_once_and_none_beyond_the_window(desk: Desk, window: int) -> None:
    ahead: list[int] = []

    def before(seq: int) -> None:
        announced = desk.announced()
        done = next((number for number in range(LONG) if number not in announced), LONG) - 1
        desk.report(done_annotator=done)

    def wanted() -> bool:
        ahead.append(max(desk.announced(), default=-1) - desk.ledger.read().done(FLOW.required))
        before(0)
        return True

    epoch = desk.decode(SyntheticVideo(LONG, before=before), window, wanted, lanes=3)
    assert sorted(desk.announced()) == list(range(LONG))
    assert all(distance <= window for distance in ahead)
    (end,) = desk.messages(keys.RAW)
    assert isinstance(end, EndOfSource) and (end.frames, end.error) == (LONG, None)
    assert desk.stored(epoch.number) == list(range(max(LONG - window - 2, 0), LONG))


def test_lanes_stop_when_one_of_them_is_superseded(desk: Desk) -> None:
    def before(seq: int) -> None:
        if seq == 17:
            desk.ledger.begin_epoch()

    with pytest.raises(EpochOver):
        desk.decode(SyntheticVideo(LONG, before=before), 30, lanes=3)
    assert len(desk.announced()) < LONG


def test_where_one_lane_ends_early_the_others_go_on_to_their_ends(desk: Desk) -> None:
    desk.decode(SyntheticVideo(LONG, fails_at=LONG - 2), lanes=3)
    assert sorted(desk.announced()) == list(range(LONG - 2))
    (end,) = desk.messages(keys.RAW)
    assert isinstance(end, EndOfSource) and (end.frames, end.error) == (LONG - 2, f"the file ends at frame {LONG - 2}")
