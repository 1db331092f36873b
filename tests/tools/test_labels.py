"""Labels made from the difference to a clean plate, on a scene that is drawn here."""

import numpy as np
import pytest

from tools.demo.labels import CARS, PEOPLE, Image, Scene, clean_plate, label, objects, split

HEIGHT, WIDTH = 240, 320


def _floor() -> Image:
    return np.random.default_rng(7).integers(90, 110, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def _with_object(floor: Image, x: int, y: int, width: int = 60, height: int = 100) -> Image:
    frame = floor.copy()
    frame[y : y + height, x : x + width] = (40, 60, 220)
    return frame


def _clip(floor: Image, count: int = 12) -> list[Image]:
    """An object that crosses the picture and is gone at the end."""
    return [_with_object(floor, 10 + 60 * i, 70) if i < 4 else floor for i in range(count)]


@pytest.mark.parametrize("scene", [CARS, PEOPLE])
def test_an_object_is_boxed_to_the_pixel(scene: Scene) -> None:
    floor = _floor()
    boxes, masks = objects(_with_object(floor, 100, 50), floor, scene)
    assert np.abs(boxes - [[100, 50, 160, 150]]).max() <= 1
    assert [int((mask > 0).sum()) for mask in masks] == [pytest.approx(60 * 100, rel=0.02)]


def test_two_objects_come_from_left_to_right() -> None:
    floor = _floor()
    boxes, masks = objects(_with_object(_with_object(floor, 200, 40), 50, 80), floor, CARS)
    assert boxes[:, 0].tolist() == pytest.approx([50, 200], abs=1)
    assert len(masks) == 2


def test_a_change_of_exposure_is_no_object() -> None:
    floor = _floor()
    darker = (floor * 0.5).astype(np.uint8)
    assert len(objects(darker, floor, PEOPLE)[0]) == 0


def test_the_shadow_of_a_car_is_not_part_of_its_box() -> None:
    floor = _floor()
    frame = floor.copy()
    frame[150:200, 100:160] //= 2
    frame = _with_object(frame, 100, 50)
    boxes, _ = objects(frame, floor, CARS)
    assert boxes[0, 3] == pytest.approx(150, abs=2)


def test_the_plate_is_the_scene_without_what_passes() -> None:
    floor = _floor()
    assert np.array_equal(clean_plate(_clip(floor), None), floor)


def test_the_plate_of_a_busy_scene_is_made_from_frames_that_look_empty() -> None:
    floor = _floor()
    frames = [_with_object(floor, 100, 50)] * 9 + [floor] * 3
    assert np.array_equal(clean_plate(frames, 11), floor)


@pytest.mark.parametrize(("x", "y"), [(WIDTH - 40, 100), (100, HEIGHT - 60)])
def test_a_small_part_of_a_person_at_a_border_makes_the_frame_unusable(x: int, y: int) -> None:
    floor = _floor()
    scene = Scene("none", 0, 34, 55, 1000, 1, None, cut_area=5000)
    frames = [_with_object(floor, x, y), _with_object(floor, 100, 50), floor]
    assert [frame.usable for frame in label(frames, floor, scene)] == [False, True, True]


def test_most_of_a_person_at_a_border_is_usable() -> None:
    floor = _floor()
    scene = Scene("none", 0, 34, 55, 1000, 1, None, cut_area=5000)
    assert label([_with_object(floor, 100, 90, height=150)], floor, scene)[0].usable


def test_only_every_step_th_frame_is_looked_at() -> None:
    floor = _floor()
    scene = Scene("none", 0, 34, 55, 1000, 4, None, cut_area=0)
    assert [frame.seq for frame in label([floor] * 10, floor, scene)] == [0, 4, 8]


def test_the_last_fifth_is_held_out() -> None:
    labelled = label(_clip(_floor(), 15), _floor(), CARS)
    train, held_out = split(labelled, 15)
    assert [frame.seq for frame in held_out] == [12, 13, 14]
    assert len(train) == 12
