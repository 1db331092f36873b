"""What becomes of a decoded frame where it is drawn on."""

from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from pipeline.frame import Matrix, Planar
from stages.annotator.film import as_bgr
from stages.decoder.picture import Scaler, Shot, from_bgr, planar
from stages.decoder.sources.file import FileSource
from tests.stages.decoder.videos import make, numbered

BT709, UNSPECIFIED, BT470BG, SMPTE170M, BT2020 = 1, 2, 5, 6, 9


def coded(size: tuple[int, int] = (64, 48), form: str = "yuv420p", space: int = UNSPECIFIED) -> VideoFrame:
    """Return a frame whose samples are all different from their neighbours."""
    frame = VideoFrame(*size, form)
    for number, plane in enumerate(frame.planes):
        samples = np.random.default_rng(number).integers(40, 200, plane.buffer_size, np.uint8)
        plane.update(samples.tobytes())
    frame.colorspace = space
    return frame


def blocks(size: tuple[int, int]) -> np.ndarray:
    """Return a picture of large squares."""
    colours = np.random.default_rng(5).integers(30, 220, (size[1] // 16, size[0] // 16, 3), np.uint8)
    return colours.repeat(16, 0).repeat(16, 1)


def near(found: Planar, expected: np.ndarray) -> bool:
    """Return whether the middles of all squares have the right colour."""
    difference = np.abs(as_bgr(found).astype(int) - expected)
    return bool(difference[8::16, 8::16].max() <= 8)


@pytest.mark.parametrize("space", [BT709, UNSPECIFIED, BT470BG, SMPTE170M])
def test_what_video_has_is_copied_to_the_bit(space: int) -> None:
    frame = coded(space=space)
    found = Scaler().planar(frame, 64, 48)
    assert (found.data == frame.to_ndarray()).all()
    assert found.matrix is (Matrix.BT709 if space == BT709 else Matrix.BT601)


@pytest.mark.parametrize(("size", "matrix"), [((640, 480), Matrix.BT601), ((1280, 720), Matrix.BT709)])
def test_what_is_not_said_is_taken_as_players_take_it(size: tuple[int, int], matrix: Matrix) -> None:
    assert Scaler().planar(coded(size), *size).matrix is matrix


@pytest.mark.parametrize(
    "form", ["bgr24", "gbrp", "yuvj420p", "yuv422p", "yuv444p10le", "nv12", "yuv420p10le", "bgra", "gray"]
)
def test_other_forms_are_converted_with_the_same_colours(form: str) -> None:
    picture = blocks((96, 64))
    if form == "gray":
        picture[...] = picture[:, :, :1]
    frame = VideoFrame.from_ndarray(picture, "bgr24").reformat(format=form)
    found = Scaler().planar(frame, 96, 64)
    assert (found.width, found.height) == (96, 64) and near(found, picture)


def test_full_range_is_made_limited() -> None:
    frame = coded()
    for plane, sample in zip(frame.planes, (255, 128, 128), strict=True):
        plane.update(bytes([sample]) * plane.buffer_size)
    frame.color_range = ColorRange.JPEG
    y, u, v = Scaler().planar(frame, 64, 48).planes
    assert (np.abs(y.astype(int) - 235) <= 1).all() and (u == 128).all() and (v == 128).all()


def test_a_matrix_that_few_players_know_is_converted() -> None:
    frame = coded(space=BT2020)
    found = Scaler().planar(frame, 64, 48)
    assert found.matrix is Matrix.BT709 and not (found.data == frame.to_ndarray()).all()


@pytest.mark.parametrize("size", [(65, 48), (64, 49), (65, 49)])
def test_of_an_odd_size_the_last_line_is_left_out_and_nothing_is_blurred(size: tuple[int, int]) -> None:
    frame = coded(size)
    y, u, v = Scaler().planar(frame, 64, 48).planes
    lines = [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size) for plane in frame.planes
    ]
    assert (y == lines[0][:48, :64]).all()
    assert (u == lines[1][:24, :32]).all() and (v == lines[2][:24, :32]).all()


@pytest.mark.parametrize("turns", [90, 180, 270])
def test_a_turned_recording_is_upright(turns: int, tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", [0.0, 0.1], (96, 64), [blocks((96, 64))] * 2, rotation=turns, tune={"crf": "5"})
    frame = next(FileSource(path=path).build().frames())
    found = planar(frame.scaled, frame.width, frame.height)
    assert (found.width, found.height) == (frame.width, frame.height)
    assert near(found, frame.scaled(frame.width, frame.height))


def test_a_source_that_only_has_bgr_is_drawn_on_as_well() -> None:
    picture = blocks((96, 64))
    found = planar(lambda width, height: picture, 96, 64)
    assert near(found, picture)
    assert near(planar(Shot(Scaler(), VideoFrame.from_ndarray(picture, "bgr24")), 96, 64), picture)


def test_of_a_picture_of_an_odd_size_the_last_line_is_left_out() -> None:
    found = from_bgr(np.ascontiguousarray(numbered(3)[:47, :63]))
    assert (found.width, found.height) == (62, 46)


@pytest.mark.parametrize("form", ["yuv420p", "yuvj420p", "nv12", "yuv444p", "bgr24"])
@pytest.mark.parametrize("space", [BT709, UNSPECIFIED, SMPTE170M])
def test_scaled_pictures_have_the_same_colours(form: str, space: int) -> None:
    frame = VideoFrame.from_ndarray(blocks((192, 128)), "bgr24").reformat(format=form, dst_colorspace=space)
    whole, half = Scaler().bgr(frame, 192, 128), Scaler().bgr(frame, 96, 64)
    assert np.abs(whole[8::16, 8::16].astype(int) - blocks((192, 128))[8::16, 8::16]).max() <= 8
    assert np.abs(whole[8::16, 8::16].astype(int) - half[4::8, 4::8]).max() <= 8
