from dataclasses import replace

import numpy as np
import pytest

from pipeline.messages import ZoneCount
from stages.annotator.draw import draw
from stages.annotator.draw_zones import draw_zones
from stages.annotator.grid import draw_grid
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


YARD = ZoneCount("yard", 4, 1, 3, ((10, 10), (30, 10), (30, 30), (10, 30)))
KERB = ZoneCount("kerb", 2, 1, None, ((5, 40), (60, 40)))


def test_zones_and_lines_are_drawn_where_they_are_in_a_smaller_image_too() -> None:
    for scale in (10, 5):
        image = np.zeros((48 * scale, 64 * scale, 3), np.uint8)
        draw(image, replace(found(0, objects=0), zones=(YARD,)))
        inside = image[20 * scale : 29 * scale, 11 * scale : 29 * scale]
        outside = image[32 * scale :]
        assert inside.any(2).all() and not outside.any()


def test_a_line_is_drawn_along_itself_with_an_arrow_to_where_in_is() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    draw_zones(image, (KERB,), (64, 48), counted=False)
    assert image[400, 60:590].any(1).all()
    middle = slice(300, 350)
    assert image[410:440, middle].any() and not image[340:390, middle].any()  # right of it, seen along it, is below


def test_a_zone_that_is_all_of_the_picture_is_a_label() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    draw_zones(image, (ZoneCount("all", 4, 1, 3),), (64, 48))
    assert image[:60, :200].any() and not image[100:].any()


def test_a_zone_beyond_the_edges_does_no_harm() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    beyond = ((-90, -90), (900, -90), (900, 900), (-90, 900))
    far = ((700, 700), (800, 700), (800, 800))
    draw_zones(image, (ZoneCount("a", 0, 0, 0, beyond), ZoneCount("b", 0, 0, 0, far)), (640, 480))
    assert image.any(2).mean() > 0.9


def test_a_grid_shows_where_tenths_are() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    draw_grid(image)
    assert image[:, 300].any(1).all() and image[200].any(1).all()
    assert not image[205:235, 305:355].any()
