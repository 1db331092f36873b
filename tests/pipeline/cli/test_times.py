"""Durations, and places in recordings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.times import moment, seconds
from pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "duration_s"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("2d", 172_800), (" 1h ", 3600), ("0.5", 0.5)],
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, duration_s: float) -> None:
    assert seconds(text) == duration_s


@pytest.mark.parametrize("text", ["", "0", "0.0h", "h", "-5", "1w", "1 h", "1e3", "nan", "inf", "1h30m", "5M"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no duration: write 90s, 10m, 1\.5h or 2d") as caught:
        seconds(text)
    assert repr(text) in str(caught.value)


@given(st.integers(1, 10**6), st.sampled_from(["", "s", "m", "h", "d"]))
def test_a_unit_is_a_multiple_of_a_second(number: int, unit: str) -> None:
    assert seconds(f"{number}{unit}") == number * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]


@pytest.mark.parametrize(
    ("text", "at_s"),
    [
        ("00:10:00", 600),
        ("1:02:03.5", 3723.5),
        ("2:05", 125),
        ("75:00", 4500),
        ("90s", 90),
        ("0", 0),
        ("100:00:00", 360_000),
    ],
)
def test_a_place_in_a_recording_is_as_on_a_clock_or_a_duration(text: str, at_s: float) -> None:
    assert moment(text) == at_s


@pytest.mark.parametrize("text", ["", "1:60", "1:75:00", "10:00:00:00", "-1:00", "a:00", "1:2:3:", "noon"])
def test_what_is_no_place_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no time in a recording: write 00:10:00"):
        moment(text)
