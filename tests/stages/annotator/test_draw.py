import numpy as np
import pytest

from stages.annotator.draw import draw
from tests.stages.annotator.frames import found


def test_without_detections_nothing_is_drawn() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    assert draw(image, found(0, objects=0)) is image and not image.any()


def test_boxes_are_scaled_to_a_smaller_image() -> None:
    large = draw(np.zeros((480, 640, 3), np.uint8), found(0, objects=1, size=(64, 48)))
    small = draw(np.zeros((240, 320, 3), np.uint8), found(0, objects=1, size=(64, 48)))
    (left, *_, bottom) = found(0, objects=1).xyxy[0]
    for image, scale in ((large, 10), (small, 5)):
        rows, columns = np.nonzero(image.any(2))
        assert rows.max() == pytest.approx(bottom * scale, abs=3) and columns.min() == pytest.approx(
            left * scale, abs=3
        )


def test_a_box_is_drawn_in_place_on_the_callers_image() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    assert draw(image, found(0)) is image and image.any()


def test_the_label_of_a_box_at_the_edge_is_inside_the_picture() -> None:
    cornered = found(0, objects=1, size=(640, 480))
    cornered.xyxy[0] = (600, 0, 640, 40)
    image = draw(np.zeros((480, 640, 3), np.uint8), cornered)
    label = np.flatnonzero(image[:30].max((0, 2)))
    assert label.min() < 595
