"""Order out of disorder."""

from hypothesis import given
from hypothesis import strategies as st

from stages.tracker.sequencer import Sequencer


@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=12), st.integers(0, 12))
def test_each_number_comes_once_and_in_order_however_it_was_offered(
    order: list[int], again: list[int], following: int
) -> None:
    sequencer: Sequencer[int] = Sequencer(following)
    came: list[int] = []
    taken = 0
    for number in [*order[:6], *again, *order[6:]]:
        taken += sequencer.offer(number, number)
        came += sequencer.ready()
    assert came == list(range(following, 12))
    assert (taken, sequencer.following) == (len(came), max(following, 12))


def test_what_is_forgotten_may_be_offered_again() -> None:
    sequencer: Sequencer[str] = Sequencer()
    assert sequencer.offer(1, "early")
    assert sequencer.forget() == ["early"]
    assert list(sequencer.ready()) == []
    assert sequencer.offer(1, "again") and sequencer.offer(0, "first")
    assert list(sequencer.ready()) == ["first", "again"]
