"""A frame is found again by its time only where no other frame can have the same."""

from stages.annotator import times
from stages.annotator.times import Times


def test_times_that_grow_tell_each_frame() -> None:
    noted = Times([(0, 0.0), (1, 0.04)])
    noted.note(2, 0.2)
    noted.note(1, 9.0)  # sent again
    assert [noted.of(seq) for seq in range(4)] == [0.0, 0.04, 0.2, None]


def test_a_clock_that_has_begun_anew_tells_no_frame() -> None:
    noted = Times([(0, 0.0), (1, 0.04), (2, 0.0), (3, 0.04)])
    noted.note(4, 0.08)
    assert [noted.of(seq) for seq in range(5)] == [None] * 5


def test_where_the_first_frames_are_unknown_none_is_told() -> None:
    assert Times([(5, 0.2), (6, 0.24)]).of(6) is None


def test_only_the_last_ones_are_kept() -> None:
    noted = Times((seq, float(seq)) for seq in range(times._KEPT + 2))
    assert (noted.of(1), noted.of(2)) == (None, 2.0)
