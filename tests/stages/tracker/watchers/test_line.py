"""Who crosses a line: once, whichever way, and not for trembling on it."""

from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stages.tracker.walks import Stage, Where

ABOVE: Final = (500.0, 400.0)
BELOW: Final = (500.0, 600.0)


def stage(restarts: bool = False, live: bool = False, **more: Any) -> Stage:
    line = {"name": "kerb", "line": [(0.1, 0.5), (0.9, 0.5)], "debounce_s": 0.2, **more}
    return Stage({"lines": [line]}, restarts=restarts, live=live)


@pytest.mark.parametrize("restarts", [False, True])
def test_each_crossing_is_told_once_with_its_direction(restarts: bool) -> None:
    kerb = stage(restarts)
    kerb.walk(1, [ABOVE] * 3 + [BELOW] * 6 + [ABOVE] * 6)
    assert [(event.kind, event.direction, event.seq) for event in kerb.events] == [
        ("crossed", "in", 5),
        ("crossed", "out", 11),
    ]
    assert kerb.count("kerb") == (1, 1, None)


def test_who_trembles_on_the_line_has_not_crossed_it() -> None:
    assert stage().walk(1, [ABOVE, BELOW] * 20) == []


def test_who_goes_around_the_end_has_not_crossed_it() -> None:
    around = [(500.0, 400.0), (950.0, 400.0), (950.0, 600.0), (500.0, 600.0)]
    assert stage().walk(1, [place for place in around for _ in range(4)]) == []


def test_who_is_hidden_while_crossing_has_crossed() -> None:
    kerb = stage()
    kerb.walk(1, [ABOVE] * 3)
    for _ in range(8):
        assert kerb.see({}, alive=[1]) == []
    assert kerb.walk(1, [BELOW] * 4) == ["crossed"]


def test_whose_track_ends_right_behind_the_line_has_crossed() -> None:
    kerb = stage()
    kerb.walk(1, [ABOVE] * 3 + [BELOW])
    assert kerb.see({}) == ["crossed"]
    kerb = stage()
    kerb.walk(1, [ABOVE] * 3 + [BELOW])
    assert kerb.end() == ["crossed"]


def test_classes_that_don_t_count_don_t() -> None:
    kerb = stage(classes=("bus",))
    assert kerb.walk(1, [ABOVE] * 3 + [BELOW] * 5) == []


steps = st.lists(
    st.dictionaries(st.integers(1, 3), st.tuples(st.floats(0, 1000), st.floats(0, 1000)), max_size=3), max_size=60
)


@given(steps)
def test_ins_and_outs_over_a_line_through_all_of_the_picture_add_up(course: list[dict[int, Where]]) -> None:
    """Without patience, each one's ins less its outs is on which side it was first and is now."""
    whole = stage(line=[(0.0, 0.5), (1.0, 0.5)], debounce_s=0)
    restarted = stage(restarts=True, line=[(0.0, 0.5), (1.0, 0.5)], debounce_s=0)
    first: dict[int, bool] = {}
    last: dict[int, bool] = {}
    for people in course:
        assert whole.see(people, alive=[1, 2, 3]) == restarted.see(people, alive=[1, 2, 3])
        for number, (_, y) in people.items():
            below = round(y, 2) > 500.0  # boxes are rounded to hundredths
            first.setdefault(number, below)
            last[number] = below
    for number in first:
        ways = [1 if e.direction == "in" else -1 for e in whole.events if e.tracker_id == number]
        assert sum(ways) == int(last[number]) - int(first[number])
        assert all(one == -other for one, other in pairwise(ways))
    assert whole.events == restarted.events
