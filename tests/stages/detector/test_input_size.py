"""A size in any of the forms in which people write it."""

from typing import Any

import pytest

from stages.detector.input_size import read_size


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        (640, (640, 640)),
        ("640", (640, 640)),
        ("384x640", (384, 640)),
        (" 384 X 640 ", (384, 640)),
        ("384,640", (384, 640)),
        ((384, 640), (384, 640)),
        ([384, 640], (384, 640)),
        ([640], (640, 640)),
    ],
)
def test_a_side_or_two_are_height_and_width(wanted: Any, size: tuple[int, int]) -> None:
    assert read_size(wanted) == size


@pytest.mark.parametrize("wanted", ["", "big", "640x", "x", "1x2x3", "-32", "6.4", "9" * 30, "٣٢x"])
def test_text_that_is_no_size_is_refused(wanted: str) -> None:
    with pytest.raises(ValueError, match="give a side as 640, or HEIGHTxWIDTH"):
        read_size(wanted)


@pytest.mark.parametrize("wanted", [0, 16, 333, -32, 16384, (640, 100), (), (32, 32, 32), 64.0, None, {"side": 32}])
def test_what_is_no_size_of_an_input_is_refused(wanted: Any) -> None:
    with pytest.raises(ValueError, match="in multiples of 32, 8192 at most"):
        read_size(wanted)
