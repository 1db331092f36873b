"""Counts by the minute: each minute once, with what was in it."""

from typing import Any, Final

import pytest

from pipeline.messages import MinuteCounts, MinuteRow
from tests.stages.tracker.walks import Stage

YARD: Final[dict[str, Any]] = {"zones": [{"name": "yard", "polygon": [(0, 0), (0.5, 0), (0.5, 1)], "debounce_s": 0}]}
IN_YARD: Final = (400.0, 100.0)
ELSEWHERE: Final = (900.0, 900.0)


def minutes(stage: Stage) -> list[MinuteCounts]:
    return [counts for happened in stage.happened for counts in happened.minutes]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_minute_is_told_with_the_first_frame_after_it(restarts: bool) -> None:
    stage = Stage(YARD, restarts=restarts)
    stage.see({1: IN_YARD}, at_s=1.0)
    stage.see({1: IN_YARD, 2: ELSEWHERE}, names={2: "dog"}, at_s=2.0)
    stage.see({2: ELSEWHERE}, names={2: "dog"}, at_s=59.9)
    assert minutes(stage) == []
    stage.see({}, at_s=60.0)
    assert minutes(stage) == [
        MinuteCounts(
            "gate",
            0.0,
            3,
            (
                MinuteRow(None, "car", 1, 0.667, 1, 1),
                MinuteRow(None, "dog", 1, 0.667, 1, 0),
                MinuteRow("yard", "car", 1, 0.667, 1, 1),
            ),
        )
    ]


def test_the_last_minute_is_told_with_the_end() -> None:
    stage = Stage(YARD)
    stage.see({1: IN_YARD}, at_s=130.0)
    stage.end()
    (last,) = minutes(stage)
    assert (last.start_s, last.frames) == (120.0, 1)
    assert last.rows[0] == MinuteRow(None, "car", 1, 1.0, 1, 1)


def test_minutes_of_a_camera_are_those_of_the_day() -> None:
    stage = Stage(YARD, live=True)
    stage.see({}, at_s=0.0)
    stage.see({}, at_s=60.0)
    assert minutes(stage)[0].start_s == 1_700_000_000 // 60 * 60


def test_empty_minutes_that_were_looked_at_are_told_too_and_others_not() -> None:
    stage = Stage(YARD)
    for at_s in (0.0, 61.0, 400.0):
        stage.see({}, at_s=at_s)
    assert [(counts.start_s, counts.frames, counts.rows) for counts in minutes(stage)] == [(0.0, 1, ()), (60.0, 1, ())]


def test_nobody_counts_where_that_is_not_wanted() -> None:
    stage = Stage({**YARD, "minutes": False})
    stage.see({1: IN_YARD}, at_s=0.0)
    stage.see({}, at_s=61.0)
    stage.end()
    assert minutes(stage) == []
