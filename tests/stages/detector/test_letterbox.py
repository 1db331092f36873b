from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.detector.letterbox import Letterbox


@pytest.mark.parametrize("name", ["car", "person"])
def test_canvas_is_the_originals_byte_for_byte(shared: Path, name: str) -> None:
    frame = cv2.imread(str(shared / "conformance" / f"frame_{name}.png"))
    expected = cv2.imread(str(shared / "conformance" / f"frame_{name}_640.png"))
    assert frame is not None and expected is not None
    canvas = Letterbox((640, 640)).apply(np.asarray(frame, np.uint8), 768, 432)
    np.testing.assert_array_equal(canvas, expected)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (768, 432, (636, 358)),
        (1920, 1080, (636, 358)),
        (320, 240, (636, 477)),
        (100, 400, (159, 636)),
        (5000, 2, (636, 1)),
    ],
)
def test_picture_fits_the_canvas_less_its_border(width: int, height: int, expected: tuple[int, int]) -> None:
    assert Letterbox((640, 640)).picture_size(width, height) == expected


def test_half_pixels_are_rounded_to_even() -> None:
    letterbox = Letterbox((640, 640))
    assert letterbox.picture_size(1272, 721) == (636, 360)
    assert letterbox.picture_size(1272, 723) == (636, 362)


def test_picture_that_the_decoder_scaled_is_not_scaled_again() -> None:
    letterbox = Letterbox((384, 640))
    width, height = letterbox.picture_size(1920, 1080)
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    canvas = letterbox.apply(picture, 1920, 1080)
    top, left = (384 - height) // 2, (640 - width) // 2
    np.testing.assert_array_equal(canvas[top : top + height, left : left + width], picture)
    assert canvas.shape == (384, 640, 3)
    assert (canvas[0] == 114).all()


def test_restored_boxes_are_in_pixels_of_the_frame() -> None:
    letterbox = Letterbox((640, 640))
    # 1908x954 is scaled by a third to 636x318: 2 pixels left, 161 above.
    canvas = np.array([[2, 161, 638, 479], [-8, 0, 102, 171]], np.float32)
    restored = letterbox.restore(canvas, 1908, 954)
    np.testing.assert_allclose(restored, [[0, 0, 1908, 954], [-30, -483, 300, 30]], atol=1e-3)
    assert restored.dtype == np.float32


def test_no_boxes_stay_no_boxes() -> None:
    assert Letterbox((640, 640)).restore(np.empty((0, 4), np.float32), 10, 10).shape == (0, 4)
