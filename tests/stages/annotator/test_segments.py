"""A camera's files are named by their first frame's time, and end at round times."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.annotator.segments import boundary, stem, stems

NOON_S = 1_714_564_800.0
"""2024-05-01 12:00:00 UTC."""


def test_a_segment_is_named_by_its_source_and_the_second_of_its_first_frame() -> None:
    assert stem("gate", NOON_S) == "gate-20240501T120000Z"
    assert stem("gate", NOON_S + 0.999) == "gate-20240501T120000Z"
    assert stem("gate", NOON_S + 1) == "gate-20240501T120001Z"


@pytest.mark.parametrize(
    ("at_s", "segment_s", "ends_s"),
    [
        (NOON_S, 3600.0, NOON_S + 3600),
        (NOON_S + 1234.5, 3600.0, NOON_S + 3600),
        (NOON_S + 3599.99, 3600.0, NOON_S + 3600),
        (NOON_S + 3600, 3600.0, NOON_S + 7200),
        (NOON_S + 61, 60.0, NOON_S + 120),
    ],
)
def test_hours_end_on_the_hour(at_s: float, segment_s: float, ends_s: float) -> None:
    assert boundary(at_s, segment_s) == ends_s


@given(st.floats(0, 1e10), st.floats(1, 7 * 24 * 3600))
def test_a_segment_ends_after_it_begins_and_not_later_than_its_length(at_s: float, segment_s: float) -> None:
    assert at_s < boundary(at_s, segment_s) <= at_s + segment_s * (1 + 1e-6)


def test_segments_are_found_in_a_folder_finished_or_not_the_oldest_first(tmp_path: Path) -> None:
    for name in (
        "gate-20240501T130000Z.jsonl",
        "gate-20240501T130000Z.mp4.part",
        "gate-20240501T120000Z.mp4",
        "gate-2-20240501T110000Z.jsonl",
        "gate-20240501T120000Z",
        "gate-yesterday.jsonl",
        "gate.jsonl",
        "yard-20240501T120000Z.jsonl",
    ):
        (tmp_path / name).touch()
    assert stems(tmp_path, "gate") == ["gate-20240501T120000Z", "gate-20240501T130000Z"]
    assert stems(tmp_path, "gate-2") == ["gate-2-20240501T110000Z"]
    assert stems(tmp_path, "roof") == []


@given(st.lists(st.floats(0, 4e9), min_size=1, max_size=5))
def test_names_are_in_the_order_of_time(times: list[float]) -> None:
    assert sorted(stem("gate", at_s) for at_s in times) == [stem("gate", at_s) for at_s in sorted(times)]


def test_a_name_with_signs_of_a_pattern_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "g.te-20240501T120000Z.jsonl").touch()
    (tmp_path / "gate-20240501T120000Z.jsonl").touch()
    assert stems(tmp_path, "g.te") == ["g.te-20240501T120000Z"]
