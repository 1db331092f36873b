"""Pictures are as large as they have to be, and what is found in a part of a frame lies where it is in the frame."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.frame import Frame
from pipeline.messages import FrameMeta
from pipeline.settings import FlowSettings
from stages.decoder.live.settings import LiveSettings
from stages.decoder.sizes import Box, PictureSizes, region
from stages.detector.engine import RawBoxes
from stages.detector.finder import Finder
from stages.detector.letterbox import Letterbox
from stages.detector.nms import Postprocess
from stages.detector.yolo_nas.card import ModelCard

INPUT: Final = (320, 384)
"""Height and width of the network's input."""
FLOW: Final = FlowSettings(picture_size=(INPUT[0] - 4, INPUT[1] - 4))
WITHOUT_FULL: Final = FLOW.model_copy(update={"full_size": False})
sides = st.integers(1, 4000)
parts = st.floats(0, 1)


def painted(width: int, height: int, box: Box) -> NDArray[np.uint8]:
    image = np.zeros((height, width, 3), np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 255
    return image


def scaler(image: NDArray[np.uint8]) -> Callable[[int, int], NDArray[np.uint8]]:
    return lambda width, height: np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def seen_box(canvas: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return where the white box is on the canvas, whose border is grey: as a perfect network would say."""
    ys, xs = np.nonzero(canvas[:, :, 0] > 180)
    return np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], np.float32)


def found_again(width: int, height: int, roi: tuple[float, float, float, float], box: Box) -> NDArray[np.float32]:
    """Send a picture with a white box through decoder and detector, and return where the box is found."""
    wanted = LiveSettings.model_validate({"url": "rtsp://cam/x", "roi": roi}).roi
    part = region(wanted, width, height)
    stored = PictureSizes.of(width, height, FLOW, part).pictures(scaler(painted(width, height, box))).detect
    assert stored is not None and stored.flags.c_contiguous
    finder = Finder(ModelCard("n", ("box",), INPUT), Postprocess(0.25, 0.7))
    frame = Frame(FrameMeta("gate", 1, 0, 0.0, width, height, roi=part), stored)
    return finder.find(frame, RawBoxes(seen_box(finder.canvas(frame)), np.ones((1, 1), np.float32)), 1).xyxy


@pytest.mark.parametrize(
    ("roi", "part"),
    [
        (None, None),
        ((0, 0, 1, 1), (0, 0, 1920, 1080)),
        ((0.25, 0.5, 0.75, 1), (480, 540, 1440, 1080)),
        ((100, 50, 500, 350), (100, 50, 500, 350)),
        ((0, 0, 1, 1.5), (0, 0, 1, 2)),
        ((100, 50, 5000, 3500), (100, 50, 1920, 1080)),
        ((5000, 3000, 6000, 4000), (1919, 1079, 1920, 1080)),
    ],
)
def test_a_part_is_given_in_parts_of_one_or_in_pixels(
    roi: tuple[float, float, float, float] | None, part: Box | None
) -> None:
    assert region(roi, 1920, 1080) == part


@given(st.lists(parts | st.floats(0, 1e5), min_size=4, max_size=4, unique=True), sides, sides)
def test_a_part_lies_in_the_frame_and_is_never_empty(roi: list[float], width: int, height: int) -> None:
    (left, right), (top, bottom) = sorted(roi[::2]), sorted(roi[1::2])
    part = region((left, top, right, bottom), width, height)
    assert part is not None
    assert 0 <= part[0] < part[2] <= width and 0 <= part[1] < part[3] <= height


@given(sides, sides)
def test_the_detectors_picture_is_what_its_letterbox_would_make_of_the_frame(width: int, height: int) -> None:
    assert PictureSizes.of(width, height, FLOW).detect == Letterbox(INPUT).picture_size(width, height)


@given(sides, sides, st.none() | st.tuples(parts, parts), st.booleans())
@settings(deadline=None)
def test_pictures_fill_no_more_than_their_slot(
    width: int, height: int, corner: tuple[float, float] | None, full: bool
) -> None:
    part = region(None if corner is None else (*corner, 1.0, 1.0), width, height)
    sizes = PictureSizes.of(width, height, FLOW if full else WITHOUT_FULL, part)
    pictures = sizes.pictures(lambda across, down: np.zeros((down, across, 3), np.uint8))
    assert pictures.detect is not None and (pictures.full is not None) == full
    assert sizes.slot_bytes == pictures.nbytes
    assert pictures.detect.shape[0] <= FLOW.picture_size[0] + 1 and pictures.detect.shape[1] <= FLOW.picture_size[1] + 1


def test_a_part_is_as_sharp_as_the_frame_allows_but_not_enlarged() -> None:
    whole = PictureSizes.of(1920, 1080, FLOW)
    half = PictureSizes.of(1920, 1080, FLOW, region((0, 0, 0.5, 0.5), 1920, 1080))
    small = PictureSizes.of(1920, 1080, FLOW, (0, 0, 100, 50))
    assert (whole.detect, half.detect, half.part) == ((380, 214), (760, 428), (0, 0, 380, 214))
    assert (small.detect, small.part) == ((1920, 1080), (0, 0, 100, 50))
    assert half.full == whole.full == (1920, 1080)


@pytest.mark.parametrize("size", [(1920, 1080), (704, 576), (1080, 1920), (320, 240)])
@pytest.mark.parametrize("roi", [(0, 0, 1, 1), (0.5, 0, 1, 0.5), (0, 0.4, 1, 1), (0.31, 0.17, 0.83, 0.59)])
def test_what_is_found_in_a_part_lies_where_it_is_in_the_frame(
    size: tuple[int, int], roi: tuple[float, float, float, float]
) -> None:
    width, height = size
    left, top, right, bottom = (round(side * length) for side, length in zip(roi, size * 2, strict=True))
    across, down = right - left, bottom - top
    box = (left + across // 5, top + down // 7, left + across // 2, top + down // 3)
    tolerance = 1.5 * max(1.0, across / (INPUT[1] - 4), down / (INPUT[0] - 4))
    in_pixels = (left, top, right, bottom)
    assert found_again(width, height, roi, box) == pytest.approx(np.array([box]), abs=tolerance)
    assert found_again(width, height, in_pixels, box) == pytest.approx(np.array([box]), abs=tolerance)


@given(st.integers(200, 2500), st.integers(200, 2500), st.tuples(*[st.floats(0.02, 0.98)] * 4))
@settings(deadline=None, max_examples=40)
def test_it_does_so_for_any_part_of_any_frame(
    width: int, height: int, sides: tuple[float, float, float, float]
) -> None:
    (left, right), (top, bottom) = sorted((sides[0], sides[2] + 0.01)), sorted((sides[1], sides[3] + 0.01))
    part = region((left, top, right, bottom), width, height)
    assert part is not None
    across, down = part[2] - part[0], part[3] - part[1]
    if min(across, down) < 40:
        return
    box = (part[0] + across // 4, part[1] + down // 4, part[0] + across * 3 // 4, part[1] + down * 2 // 3)
    tolerance = 2.0 * max(1.0, across / (INPUT[1] - 4), down / (INPUT[0] - 4))
    assert found_again(width, height, (left, top, right, bottom), box) == pytest.approx(np.array([box]), abs=tolerance)


def test_boxes_of_a_part_do_not_reach_beyond_it() -> None:
    finder = Finder(ModelCard("n", ("box",), INPUT), Postprocess(0.25, 0.7))
    meta = FrameMeta("gate", 1, 0, 0.0, 1920, 1080, roi=(480, 270, 1440, 810))
    raw = RawBoxes(np.array([[-50, -50, 900, 900]], np.float32), np.ones((1, 1), np.float32))
    found = finder.find(Frame(meta, np.zeros((10, 10, 3), np.uint8)), raw, 1)
    assert found.xyxy.tolist() == [[480, 270, 1440, 810]]
