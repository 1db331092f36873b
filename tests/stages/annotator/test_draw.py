from dataclasses import replace

import numpy as np
import pytest

from pipeline.frame import Matrix, Planar
from pipeline.messages import ZoneCount
from stages.annotator.canvas import Canvas
from stages.annotator.draw import draw
from stages.annotator.draw_zones import draw_zones
from stages.annotator.film import as_bgr
from stages.annotator.grid import draw_grid
from stages.decoder.picture import from_bgr
from tests.planes import noise
from tests.stages.annotator.frames import found


def test_without_detections_nothing_is_drawn() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    assert draw(image, found(0, objects=0)) is image and not image.any()


def test_on_planes_it_looks_as_on_bgr_but_for_the_edges_of_colours() -> None:
    crowd = replace(found(0, objects=3, size=(64, 48)), zones=(YARD, KERB))
    on_bgr = draw(np.full((480, 640, 3), 90, np.uint8), crowd)
    for matrix in Matrix:
        image = Planar(from_bgr(np.full((480, 640, 3), 90, np.uint8)).data, matrix)  # grey is the same in each
        on_planes = as_bgr(draw(image, crowd))
        near = np.abs(on_planes.astype(int) - on_bgr).max(2) <= 12
        assert near.mean() > 0.94 and on_bgr[~(on_bgr == 90).all(2)].size > 10_000


def test_what_is_not_drawn_on_stays_as_it_was() -> None:
    image = noise(1, 640, 480)
    drawn = draw(image.copy(), found(0, objects=1, size=(64, 48)))
    for before, after in zip(image.planes, drawn.planes, strict=True):
        assert (before[-before.shape[0] // 4 :] == after[-before.shape[0] // 4 :]).all()
        assert (before != after).any()


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
    image = np.full((480, 640, 3), 7, np.uint8)
    draw_zones(Canvas(image), (KERB,), (64, 48), counted=False)
    drawn, middle = (image != 7).any(2), slice(300, 350)
    assert drawn[400, 60:590].all()
    assert drawn[410:440, middle].any() and not drawn[340:390, middle].any()  # right of it, seen along it, is below


def test_a_zone_that_is_all_of_the_picture_is_a_label() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    draw_zones(Canvas(image), (ZoneCount("all", 4, 1, 3),), (64, 48))
    assert image[:60, :200].any() and not image[100:].any()


def test_a_zone_beyond_the_edges_does_no_harm() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    beyond = ((-90, -90), (900, -90), (900, 900), (-90, 900))
    far = ((700, 700), (800, 700), (800, 800))
    draw_zones(Canvas(image), (ZoneCount("a", 0, 0, 0, beyond), ZoneCount("b", 0, 0, 0, far)), (640, 480))
    assert image.any(2).mean() > 0.9


def test_a_grid_shows_where_tenths_are() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    draw_grid(image)
    assert image[:, 300].any(1).all() and image[200].any(1).all()
    assert not image[205:235, 305:355].any()
