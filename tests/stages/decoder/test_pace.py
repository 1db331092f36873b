"""So many recordings are read at once that nobody behind the decoder has to wait, and no more."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.decoder.pace import Pace, most_readers


def look(pace: Pace, waiting: Sequence[bool], seconds: int = 1) -> int:
    for _ in range(10 * seconds):
        pace.look(waiting)
    return pace.readers


def test_a_number_that_was_asked_for_stays() -> None:
    pace = Pace(3, 3)
    assert look(pace, [False] * 3) == look(pace, [True] * 3) == 3


def test_while_nobody_waits_for_room_one_more_is_read_up_to_the_most() -> None:
    pace = Pace(None, 5)
    assert pace.readers == 2
    assert [look(pace, [False, False]) for _ in range(5)] == [3, 4, 5, 5, 5]


def test_while_all_wait_for_room_one_fewer_is_read_but_two_always() -> None:
    pace = Pace(None, 5)
    look(pace, [False], 3)
    assert [look(pace, [True] * 3) for _ in range(5)] == [4, 3, 2, 2, 2]


def test_while_some_wait_and_some_read_all_is_well() -> None:
    pace = Pace(None, 8)
    assert look(pace, [True, False], 20) == 2


def test_those_that_only_wait_for_an_end_to_be_written_do_not_count() -> None:
    pace = Pace(None, 4)
    assert look(pace, []) == 3


@pytest.mark.parametrize(("parallel", "recordings", "most"), [(3, 10, 3), (3, 2, 2), (64, 100, 64), (None, 1, 1)])
def test_no_more_than_there_are_and_no_more_than_asked_for(parallel: int | None, recordings: int, most: int) -> None:
    assert most_readers(parallel, recordings) == most


@given(st.lists(st.lists(st.booleans(), max_size=5), max_size=200), st.integers(1, 16))
def test_the_number_stays_in_bounds(looks: list[list[bool]], most: int) -> None:
    pace = Pace(None, most)
    for waiting in looks:
        pace.look(waiting)
        assert min(2, most) <= pace.readers <= most
