"""What becomes of a camera is on a public stream when it changes, and in its ledger all the time."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import keys
from pipeline.ledger import Ledger, Standing
from pipeline.messages import SourceState
from pipeline.wire import decode
from stages.decoder.live import states
from stages.decoder.live.states import Reporter, State, Tally, tell
from tests.fakes import MemoryBroker

EPOCH: Final = 7


class Desk:
    """A camera that is told of, and a clock that stands still."""

    def __init__(self) -> None:
        self.broker, self.now_s = MemoryBroker(), 100.0
        self.reporter = self.taken()

    def taken(self) -> Reporter:
        """Let another decoder tell of it."""
        self.tally = Tally()
        self.reporter = Reporter(self.broker, "gate", self.tally, lambda: self.now_s)
        return self.reporter

    def change(self, *states: State, code: str | None = None, error: str | None = None, epoch: int = EPOCH) -> None:
        for state in states:
            self.reporter.change(state, epoch=epoch, code=code, error=error)

    def capture(self, frames: int) -> None:
        self.tally.captured += frames
        self.reporter.refresh()

    @property
    def standing(self) -> Standing:
        return Ledger(self.broker, "gate").read()

    def rate(self) -> float:
        return float(self.standing.fields["rate"])

    def told(self) -> list[SourceState]:
        found = [decode(body) for body in self.broker.bodies(keys.STATES)]
        return [message for message in found if isinstance(message, SourceState)]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_change_is_told_on_the_stream_with_fields_that_anybody_can_read(desk: Desk) -> None:
    desk.tally.captured, desk.tally.corrupt, desk.tally.offered, desk.tally.skipped = 40, 3, 30, 5
    desk.change("live")
    (told,) = desk.told()
    assert (told.source, told.state, told.epoch, told.code, told.error) == ("gate", "live", EPOCH, None, None)
    assert (told.captured, told.corrupt, told.offered, told.skipped, told.reconnects) == (40, 3, 30, 5, 0)
    assert told.since_ns > 0
    stream = desk.broker.stream(keys.STATES)
    assert list(stream.fields.values()) == [{"v": 1, "source": "gate", "state": "live"}]


def test_the_ledger_says_the_same(desk: Desk) -> None:
    desk.tally.captured = 40
    desk.change("failed", code="auth", error="wrong password")
    standing = desk.standing
    assert (standing.text("state"), standing.text("code"), standing.text("state_error")) == (
        "failed",
        "auth",
        "wrong password",
    )
    assert standing.number("captured", 0) == 40
    assert standing.number("since_ns", 0) == desk.told()[0].since_ns <= standing.number("seen_ns", 0)


def test_what_went_wrong_last_is_known_when_all_is_well_again(desk: Desk) -> None:
    desk.change("failed", code="auth", error="wrong password")
    desk.change("live")
    standing = desk.standing
    assert (standing.text("code"), standing.text("state_error")) == ("", "")
    assert (standing.text("last_code"), standing.text("last_error")) == ("auth", "wrong password")


def test_the_same_again_is_not_told(desk: Desk) -> None:
    desk.change("connecting", "connecting", "live", "live")
    for error in ("refused", "refused again"):
        desk.change("reconnecting", code="refused", error=error)
    assert [told.state for told in desk.told()] == ["connecting", "live", "reconnecting"]


def test_another_reason_is_told_and_the_state_is_as_old_as_before(desk: Desk) -> None:
    desk.change("reconnecting", code="refused")
    desk.change("reconnecting", code="timeout")
    first, second = desk.told()
    assert (first.code, second.code) == ("refused", "timeout") and first.since_ns == second.since_ns


def test_numbers_are_refreshed_without_a_word_on_the_stream(desk: Desk) -> None:
    desk.change("live")
    desk.tally.captured, desk.tally.corrupt, desk.tally.offered, desk.tally.skipped = 400, 30, 300, 50
    desk.reporter.refresh()
    numbers = [desk.standing.number(name, -1) for name in ("captured", "corrupt", "offered", "skipped")]
    assert numbers == [400, 30, 300, 50] and len(desk.told()) == 1
    assert desk.standing.text("state") == "live"


def test_numbers_go_on_over_decoders(desk: Desk) -> None:
    desk.change("live")
    desk.capture(40)
    desk.taken()
    desk.capture(2)
    assert desk.standing.number("captured", 0) == 42


@given(st.lists(st.sampled_from(["live", "reconnecting", "stalled", None]), max_size=20))
def test_it_counts_how_often_it_has_become_live_again(steps: list[State | None]) -> None:
    """None: another decoder has taken it."""
    desk, lives, before = Desk(), 0, None
    for step in steps:
        if step is None:
            desk.capture(1 if lives else 0)
            desk.taken()
            before = None
        else:
            desk.change(step)
            lives += step == "live" and before != "live"
            before = step
    assert desk.reporter.state.reconnects == max(lives - 1, 0)
    if lives:
        assert desk.standing.number("reconnects", -1) == lives - 1


def test_the_rate_is_that_of_the_last_seconds(desk: Desk) -> None:
    desk.change("live")
    for _ in range(20):
        desk.now_s += 1
        desk.capture(25)
    assert desk.rate() == 25.0
    for _ in range(10):
        desk.now_s += 1
        desk.capture(5)
    assert desk.rate() == 5.0
    for _ in range(10):
        desk.now_s += 1
        desk.capture(0)
    assert desk.rate() == 0.0


def test_there_is_no_rate_before_time_has_passed(desk: Desk) -> None:
    desk.change("live")
    desk.capture(10)
    assert desk.rate() == 0.0


def test_a_rate_needs_no_memory_however_often_it_is_asked_for(desk: Desk) -> None:
    for _ in range(5000):
        desk.now_s += 0.1
        desk.capture(1)
    assert len(desk.reporter._seen) < 100 and desk.rate() == pytest.approx(10, abs=0.5)


def test_the_public_stream_does_not_grow_for_ever(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "_KEPT", 10)
    for _ in range(50):
        desk.change("live", "reconnecting")
    assert len(desk.told()) == 10


def test_of_a_camera_that_nobody_reads_a_state_is_told_with_its_numbers(desk: Desk) -> None:
    epoch = Ledger(desk.broker, "gate").begin_epoch(live=True)
    desk.change("live", epoch=epoch)
    desk.capture(40)
    tell(desk.broker, "gate", "paused")
    told = desk.told()[-1]
    assert (told.state, told.epoch, told.captured, told.fps) == ("paused", epoch, 40, 0.0)
    assert (desk.standing.text("state"), desk.rate()) == ("paused", 0.0)


def test_of_a_camera_that_was_never_begun_with_the_reason_is_told(desk: Desk) -> None:
    tell(desk.broker, "gate", "failed", "settings", "url: is wrong")
    (told,) = desk.told()
    assert (told.epoch, told.code, told.error, told.captured) == (0, "settings", "url: is wrong", 0)
