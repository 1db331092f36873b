"""The strip through everything that happens to a picture on its way; what is damaged is no number."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import strip
from stages.detector.letterbox import Letterbox

SIZES = [(320, 180), (352, 288), (640, 360), (768, 432), (1280, 720), (1920, 1080), (1080, 1920), (480, 640)]
numbers = st.integers(0, (1 << strip.BITS) - 1)


def picture(width: int, height: int, number: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return a smooth picture with noise, and a number on it."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noisy = np.asarray((image + rng.normal(0, 4, image.shape)).clip(0, 255), np.uint8)
    strip.stamp(noisy, number)
    return noisy


def coded(images: list[NDArray[np.uint8]], crf: int) -> list[VideoFrame]:
    """Return the pictures as they come out of H.264."""
    height, width = images[0].shape[:2]
    encoder = VideoCodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.options = Fraction(1, 25), {"preset": "veryfast", "crf": str(crf), "threads": "1"}
    packets = []
    for pts, image in enumerate(images):
        frame = VideoFrame.from_ndarray(image, "bgr24").reformat(format="yuv420p")
        frame.pts, frame.time_base = pts, Fraction(1, 25)
        packets += encoder.encode(frame)
    decoder = CodecContext.create("h264", "r")
    decoded = [frame for packet in [*packets, *encoder.encode(None)] for frame in decoder.decode(packet)]
    return [*decoded, *decoder.decode(None)]


def canvas(frame: VideoFrame, side: int, how: Interpolation) -> NDArray[np.uint8]:
    """Return a network's input, scaled as the decoder scales it."""
    letterbox = Letterbox((side, side))
    size = letterbox.picture_size(frame.width, frame.height)
    scaled = frame.reformat(*size, "bgr24", interpolation=how).to_ndarray()
    return letterbox.apply(np.asarray(scaled, np.uint8), frame.width, frame.height)


@given(numbers, st.integers(84, 700), st.integers(40, 500))
@settings(deadline=None)
def test_a_number_is_read_as_it_was_stamped(number: int, width: int, height: int) -> None:
    assert strip.read(picture(width, height, number)) == number


@given(numbers, st.sampled_from(SIZES), st.sampled_from([320, 640]))
@settings(deadline=None, max_examples=40)
def test_a_number_is_read_off_a_letterboxed_picture(number: int, size: tuple[int, int], side: int) -> None:
    image = picture(*size, number)
    assert strip.read(Letterbox((side, side)).apply(image, *size)) == number


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("how", [Interpolation.AREA, Interpolation.BILINEAR], ids=["area", "bilinear"])
def test_a_number_survives_h264_and_scaling(size: tuple[int, int], how: Interpolation) -> None:
    rng = np.random.default_rng(size)
    stamped = [int(number) for number in rng.integers(0, 1 << strip.BITS, 4)]
    frames = coded([picture(*size, number, seed) for seed, number in enumerate(stamped)], crf=30)
    assert [strip.read(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)) for frame in frames] == stamped
    for side in (320, 640):
        assert [strip.read(canvas(frame, side, how)) for frame in frames] == stamped


@given(st.lists(numbers, min_size=2, max_size=4))
@settings(deadline=None, max_examples=25)
def test_any_numbers_in_a_row_survive_h264_at_the_smallest_size(stamped: list[int]) -> None:
    frames = coded([picture(320, 180, number) for number in stamped], crf=28)
    assert [strip.read(canvas(frame, 320, Interpolation.AREA)) for frame in frames] == stamped


@given(numbers, st.sets(st.tuples(st.booleans(), st.integers(0, 41)), min_size=1, max_size=12))
@settings(deadline=None)
def test_wrong_cells_are_no_number(number: int, wrong: set[tuple[bool, int]]) -> None:
    image = np.full((180, 420, 3), 99, np.uint8)
    strip.stamp(image, number)
    for top, cell in wrong:
        rows = slice(0, 9) if top else slice(171, 180)
        image[rows, cell * 10 : cell * 10 + 10] ^= 255
    assert strip.read(image) is None


@given(numbers, numbers, st.integers(9, 171))
@settings(deadline=None)
def test_a_picture_of_two_is_no_number(first: int, second: int, torn_at: int) -> None:
    image = picture(320, 180, first)
    image[torn_at:] = picture(320, 180, second)[torn_at:]
    assert strip.read(image) == (first if first == second else None)


@given(st.integers(0, 1000), st.integers(1, 90), st.integers(1, 90))
@settings(deadline=None)
def test_a_picture_without_a_strip_has_no_number(seed: int, width: int, height: int) -> None:
    assert strip.read(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)) is None


@pytest.mark.parametrize("grey", [0, 114, 255])
def test_an_empty_picture_has_no_number(grey: int) -> None:
    assert strip.read(np.full((320, 320, 3), grey, np.uint8)) is None


@pytest.mark.parametrize("width", [1, 40, 83])
def test_a_picture_that_is_too_narrow_has_no_number(width: int) -> None:
    small = cv2.resize(picture(640, 360, 5), (width, 48), interpolation=cv2.INTER_AREA)
    assert strip.read(np.asarray(small, np.uint8)) is None


@pytest.mark.parametrize("number", [-1, 1 << strip.BITS])
def test_a_number_that_is_too_large_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="48 bits"):
        strip.stamp(np.zeros((180, 320, 3), np.uint8), number)


@given(st.integers(0, (1 << 16) - 1), st.integers(0, (1 << 32) - 1))
def test_camera_and_frame_come_back_apart(tag: int, seq: int) -> None:
    assert strip.untagged(strip.tagged(tag, seq)) == (tag, seq)
