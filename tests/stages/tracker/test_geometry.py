"""What crosses a line, and what is in a zone: against what is true of any line and any walk."""

from itertools import pairwise
from typing import Final

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.tracker.geometry import Area, Tripwire, anchors
from stages.tracker.places import Point

FAR: Final = 10_000.0
PLACES = st.tuples(st.floats(0, 1000, width=32), st.floats(0, 1000, width=32))
WALKS = st.lists(PLACES, min_size=2, max_size=30)


def crossings(line: list[Point], walk: list[Point]) -> NDArray[np.int64]:
    points = np.array(walk, np.float64)
    return Tripwire(line).crossings(points[:-1], points[1:])


def test_who_goes_from_left_to_right_of_a_line_seen_along_it_goes_in() -> None:
    across = [(0.0, 100.0), (200.0, 100.0)]  # from left to right in the picture: right of it is below
    assert crossings(across, [(100, 50), (100, 150), (100, 50)]).tolist() == [1, -1]
    assert crossings(across[::-1], [(100, 50), (100, 150)]).tolist() == [-1]


def test_who_goes_around_the_end_of_a_line_has_not_crossed_it() -> None:
    assert crossings([(0.0, 100.0), (200.0, 100.0)], [(100, 50), (300, 50), (300, 150), (100, 150)]).tolist() == [0] * 3


def test_who_touches_a_line_and_turns_back_has_not_crossed_it() -> None:
    across = [(0.0, 100.0), (200.0, 100.0)]
    assert crossings(across, [(50, 50), (50, 100), (90, 50)]).tolist() == [0, 0]
    found = crossings(across, [(50, 150), (50, 100), (90, 150)])
    assert found.sum() == 0


def test_who_stops_on_a_line_and_goes_on_has_crossed_it_once() -> None:
    across = [(0.0, 100.0), (200.0, 100.0)]
    assert crossings(across, [(50, 50), (50, 100), (50, 150)]).sum() == 1
    assert crossings(across, [(50, 150), (50, 100), (50, 50)]).sum() == -1


def test_a_move_over_both_legs_of_a_corner_and_out_again_is_none() -> None:
    corner = [(0.0, 100.0), (100.0, 100.0), (100.0, 0.0)]
    assert crossings(corner, [(50, 150), (150, 50)]).tolist() == [0]
    assert crossings(corner, [(50, 50), (50, 150), (50, 50)]).tolist() == [1, -1]


@given(WALKS, st.floats(0, 1000, width=32))
def test_over_a_line_through_all_of_the_picture_ins_and_outs_alternate_and_add_up(walk: list[Point], y: float) -> None:
    found = [way for way in crossings([(-FAR, y), (FAR, y)], walk).tolist() if way]
    assert all(first == -second for first, second in pairwise(found))
    below = [place[1] > y for place in walk]
    assert sum(found) == int(below[-1]) - int(below[0])


@given(WALKS, PLACES, PLACES)
def test_a_line_turned_around_changes_in_to_out_only(walk: list[Point], first: Point, second: Point) -> None:
    assume(np.hypot(first[0] - second[0], first[1] - second[1]) > 1)
    points = np.array(walk, np.float64)
    along = np.array(second) - np.array(first)
    aside = points - np.array(first)
    assume(np.abs(along[0] * aside[:, 1] - along[1] * aside[:, 0]).min() > 1e-3)  # on the line it is to the left
    there, back = crossings([first, second], walk), crossings([second, first], walk)
    assert there.tolist() == (-back).tolist()


@given(st.lists(PLACES, min_size=1, max_size=20), st.tuples(PLACES, PLACES))
def test_a_rectangle_holds_what_is_between_its_sides(points: list[Point], corners: tuple[Point, Point]) -> None:
    (left, right), (top, bottom) = (sorted(side) for side in zip(*corners, strict=True))
    assume(right - left > 1 and bottom - top > 1)
    area = Area([(left, top), (right, top), (right, bottom), (left, bottom)])
    wanted = [left <= x <= right and top <= y <= bottom for x, y in points]
    assert area.holds(np.array(points, np.float64)).tolist() == wanted


def test_an_area_without_corners_is_all_of_the_picture() -> None:
    assert Area(None).holds(np.array([[0.0, 0.0], [9e9, -5.0]])).all()


def test_nobody_is_nowhere_and_crosses_nothing() -> None:
    nobody = np.zeros((0, 2))
    assert len(Area([(0, 0), (1, 0), (1, 1)]).holds(nobody)) == 0
    assert len(Tripwire([(0, 0), (1, 0)]).crossings(nobody, nobody)) == 0


@pytest.mark.parametrize(("anchor", "y"), [("bottom_center", 60.0), ("center", 40.0), ("top_center", 20.0)])
def test_an_object_is_where_its_anchor_is(anchor: str, y: float) -> None:
    assert anchors(np.array([[10.0, 20.0, 30.0, 60.0]]), anchor).tolist() == [[20.0, y]]  # type: ignore[arg-type]
