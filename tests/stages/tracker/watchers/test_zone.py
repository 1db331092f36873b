"""Who is in a zone: no false step at its edge, over gaps, or in frames that nobody looked at."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stages.tracker.walks import Stage, Where

YARD: Final = {
    "name": "yard",
    "polygon": [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)],
    "debounce_s": 0.2,
}
INSIDE: Final = (500.0, 500.0)
OUTSIDE: Final = (100.0, 500.0)


def stage(restarts: bool = False, live: bool = False, **more: Any) -> Stage:
    return Stage({"zones": [{**YARD, **more}]}, restarts=restarts, live=live)


@pytest.mark.parametrize("restarts", [False, True])
def test_who_enters_and_leaves_is_told_once_when_it_has_lasted(restarts: bool) -> None:
    yard = stage(restarts)
    assert yard.walk(1, [OUTSIDE] * 3 + [INSIDE] * 2) == []
    assert yard.walk(1, [INSIDE] * 4) == ["enter"]
    assert yard.count("yard") == (1, 0, 1)
    assert yard.walk(1, [OUTSIDE] * 5) == ["exit"]
    assert yard.count("yard") == (1, 1, 0)
    enter, leave = yard.events
    assert (enter.seq, leave.seq) == (5, 11)
    assert (enter.zone, enter.tracker_id, enter.class_name) == ("yard", 1, "car")
    assert leave.value == pytest.approx(0.5)  # seen inside from 0.3 to 0.8 s


def test_who_trembles_at_the_edge_neither_enters_nor_leaves() -> None:
    assert stage().walk(1, [OUTSIDE, INSIDE] * 20) == []
    yard = stage()
    yard.walk(1, [INSIDE] * 5)
    assert yard.walk(1, [OUTSIDE, INSIDE] * 20) == []


def test_who_is_first_seen_inside_enters() -> None:
    assert stage().walk(1, [INSIDE] * 5) == ["enter"]


def test_who_is_not_found_for_some_frames_has_not_left() -> None:
    yard = stage()
    yard.walk(1, [INSIDE] * 5)
    for _ in range(30):
        assert yard.see({}, alive=[1]) == []
    assert yard.see({1: INSIDE}) == []
    assert yard.count("yard") == (1, 0, 1)


def test_whose_track_ends_inside_has_left() -> None:
    yard = stage()
    yard.walk(1, [INSIDE] * 5)
    assert yard.see({}) == ["exit"]
    assert yard.count("yard") == (1, 1, 0)
    assert yard.events[-1].value == pytest.approx(0.4)


def test_whose_track_ends_while_nobody_looked_has_not_been_seen_to_leave() -> None:
    yard = stage(live=True, above=0, presence_s=0.2)
    yard.walk(1, [INSIDE] * 8)
    yard.events.clear()
    assert yard.see({}, gap=True, at_s=60.0) == []
    assert yard.count("yard") == (1, 0, 0)
    for step in range(5):
        yard.see({2: INSIDE}, at_s=60.1 + step / 10)
    assert yard.kinds() == ["enter"]  # it is another number; that there is a car is no news
    assert yard.count("yard") == (2, 0, 1)


def test_if_nobody_is_there_after_a_gap_that_is_told_after_a_while() -> None:
    yard = stage(live=True, above=0, presence_s=0.2)
    yard.walk(1, [INSIDE] * 8)
    yard.events.clear()
    yard.see({}, gap=True, at_s=60.0)
    for step in range(20):
        yard.see({}, at_s=60.1 + step / 10)
    assert yard.kinds() == ["count", "disappeared"]


def test_the_end_of_a_recording_lets_nobody_leave() -> None:
    yard = stage()
    yard.walk(1, [INSIDE] * 5)
    assert yard.end() == []


@pytest.mark.parametrize("restarts", [False, True])
def test_who_stays_for_longer_than_wanted_is_told_once_a_visit(restarts: bool) -> None:
    yard = stage(restarts, dwell_s=1.0)
    assert yard.walk(1, [INSIDE] * 30) == ["enter", "dwell"]
    dwell = yard.events[-1]
    assert dwell.seq == 10 and dwell.value == pytest.approx(1.0)
    assert yard.walk(1, [OUTSIDE] * 5 + [INSIDE] * 30) == ["exit", "enter", "dwell"]


def test_classes_that_don_t_count_don_t() -> None:
    yard = stage(classes=("car",))
    for _ in range(5):
        yard.see({1: INSIDE, 2: INSIDE}, names={1: "car", 2: "dog"})
    assert [event.tracker_id for event in yard.events] == [1]


@pytest.mark.parametrize("restarts", [False, True])
def test_more_than_so_many_are_told_and_when_they_are_not_any_more(restarts: bool) -> None:
    yard = stage(restarts, above=1)
    people: dict[int, Where] = {1: INSIDE, 2: INSIDE, 3: INSIDE}
    for _ in range(10):
        yard.see(people)
    people[1] = people[2] = OUTSIDE
    for _ in range(10):
        yard.see(people)
    told = [(event.direction, event.value) for event in yard.events if event.kind == "count"]
    assert told == [("in", 3.0), ("out", 1.0)]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_class_appears_and_disappears_once_it_has_been_so_for_long_enough(restarts: bool) -> None:
    yard = stage(restarts, presence_s=1.0)
    yard.walk(1, [INSIDE] * 5)
    for _ in range(12):
        yard.see({})
    assert "appeared" not in yard.kinds()  # it was there too briefly
    yard.walk(2, [INSIDE] * 20)
    for _ in range(20):
        yard.see({})
    told = [(event.kind, event.class_name, event.value) for event in yard.events if "appeared" in event.kind]
    assert told == [("appeared", "car", 1.0), ("disappeared", "car", 0.0)]


def test_a_zone_without_a_polygon_is_all_of_the_picture() -> None:
    assert stage(polygon=None).walk(1, [(0.0, 0.0)] * 3 + [(999.0, 999.0)] * 3) == ["enter"]


def test_a_zone_in_pixels_is_where_it_says() -> None:
    yard = stage(polygon=[(0, 0), (200, 0), (200, 1000), (0, 1000)], unit="pixel")
    assert yard.walk(1, [OUTSIDE] * 4) == ["enter"]


def test_a_zone_of_another_source_is_none_of_ours() -> None:
    yard = stage(sources=("cam*",))
    assert yard.walk(1, [INSIDE] * 5) == []
    assert yard.happened[-1].zones == ()


steps = st.lists(
    st.tuples(st.dictionaries(st.integers(1, 4), st.sampled_from([INSIDE, OUTSIDE]), max_size=4), st.booleans()),
    max_size=60,
)


@given(steps, st.booleans())
def test_who_is_inside_is_who_entered_and_has_not_left(course: list[tuple[dict[int, Where], bool]], live: bool) -> None:
    whole = stage(live=live, dwell_s=0.5, above=1, presence_s=0.3)
    restarted = stage(restarts=True, live=live, dwell_s=0.5, above=1, presence_s=0.3)
    for people, all_live in course:
        alive = [1, 2, 3, 4] if all_live else []
        assert whole.see(people, alive=alive) == restarted.see(people, alive=alive)
        entered, left, inside = whole.count("yard")
        assert entered - left == inside
        assert entered == whole.kinds().count("enter")
        assert left == whole.kinds().count("exit")
    assert whole.events == restarted.events
    for number in range(1, 5):  # of one object, enter and exit alternate, and it dwells inside only
        kinds = [e.kind for e in whole.events if e.tracker_id == number]
        visits = "".join(kind[0] + kind[1] for kind in kinds).replace("dw", "").replace("enex", "")
        assert visits in ("", "en")
    assert len({event.id for event in whole.events}) == len(whole.events)
