"""Expressions say what they say, and nothing else can be done with them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.client.choice import EVENT_NAMES, NAMES, Choice
from pipeline.client.items import FrameDetections, Gap
from pipeline.client.where import Where
from pipeline.errors import ConfigError
from tests.pipeline.client.publishing import event, frame

CAR = {"class_name": "car", "confidence": 0.9, "tracker_id": None, "area": 200.0, "x1": 10.0, "zone": None}
KNOWN = frozenset(CAR)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("confidence > 0.8", True),
        ("confidence > 0.8 and class_name == 'dog'", False),
        ("not (confidence < 0.5 or x1 > 100)", True),
        ("class_name in ('car', 'bus')", True),
        ("class_name not in ['car']", False),
        ("0 < x1 * 2 + 1 <= 21", True),
        ("area / 2 - 1 == 99", True),
        ("-x1 < 0", True),
        ("tracker_id > 3", False),
        ("tracker_id <= 3", False),
        ("tracker_id + 1 > 0", False),
        ("zone is None", True),
        ("tracker_id != None", False),
        (" confidence>.8 ", True),
    ],
)
def test_an_expression_holds_or_not(text: str, holds: bool) -> None:
    assert Where(text, KNOWN)(CAR) is holds


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("confidense > 1", "is no name; there are: area, class_name, confidence"),
        ("confidence >", "is no expression"),
        ("confidence = 1", "is no expression"),
        ("", "is no expression"),
        ("__import__('os').system('true')", "is not allowed"),
        ("class_name.__class__", "is not allowed"),
        ("[x for x in (1, 2)]", "is not allowed"),
        ("(lambda: 1)()", "is not allowed"),
        ("9 ** 9 ** 9", "calculate with"),
        ("confidence if x1 else area", "is not allowed"),
        ("class_name in 'carpet'", "is no list"),
        ("f'{x1}'", "is not allowed"),
        ("b'a' == x1", "is no number and no text"),
        ("x1 == True", None),
        ("~x1", "is not allowed"),
        ("x1\0", "is no expression"),
        ("(" * 400 + "1" + ")" * 400, "is no expression"),
        ("1" * 2000, "is longer than"),
    ],
)
def test_what_is_no_small_expression_is_refused(text: str, complaint: str | None) -> None:
    if complaint is None:
        Where(text, KNOWN)
        return
    with pytest.raises(ConfigError, match=complaint) as told:
        Where(text, KNOWN)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("text", ["class_name > 3", "class_name + 'a' == 'cara'", "x1 / 0 > 1", "'a' * 9 == x1"])
def test_what_does_not_go_together_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^where "):
        Where(text, KNOWN)(CAR)


@given(st.text(max_size=60) | st.text("()[]<>=!+-*/.,'x1andor not", max_size=60))
def test_any_text_is_an_expression_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        Where(text, KNOWN)(CAR)


def test_objects_are_chosen_by_class_and_expression() -> None:
    found = FrameDetections("1-0", frame("gate", 0, classes=("car", "dog", "car")))
    assert Choice().of(found) is found
    for choice, names in [
        (Choice(frozenset({"car"})), ("car", "car")),
        (Choice(frozenset({"1"})), ("dog",)),
        (Choice(frozenset({"car"}), "confidence > 0.5 and frame_width == 640"), ("car",)),
        (Choice(None, "area == 4 and width == 2 and x1 >= 4"), ("dog", "car")),
        (Choice(None, "tracker_id == 2"), ("car",)),
    ]:
        kept = choice.of(found)
        assert isinstance(kept, FrameDetections) and kept.class_name == names
    assert Choice(None, "confidence > 1").of(found) is None
    assert Choice(None, "confidence > 1").of(Gap("gate", 1, 2)) == Gap("gate", 1, 2)


def test_events_are_chosen_too() -> None:
    crossed = event("gate", 1)
    assert Choice(None, "kind == 'crossed' and zone == 'door' and x1 == None", events=True).of(crossed) == crossed
    assert Choice(frozenset({"dog"}), events=True).of(crossed) is None
    assert "kind" in EVENT_NAMES - NAMES
