"""Planar pictures as FFmpeg's frames, to encode them or to convert them to BGR."""

from typing import Final

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from pipeline.frame import Matrix, Planar

_SWS: Final = {Matrix.BT709: Colorspace.ITU709, Matrix.BT601: Colorspace.ITU601}
_GREY: Final = 128
_BLACK: Final = 16


def tag(codec: VideoCodecContext, matrix: Matrix) -> None:
    """Say in a stream what its colours mean; players would guess it from the size."""
    codec.colorspace = codec.color_primaries = codec.color_trc = matrix
    codec.color_range = ColorRange.MPEG


def as_frame(image: Planar) -> VideoFrame:
    """Return a frame of the same picture."""
    frame = VideoFrame(image.width, image.height, "yuv420p")
    for plane, pixels in zip(frame.planes, image.planes, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        rows[:, : plane.width] = pixels
    frame.colorspace, frame.color_range = image.matrix, ColorRange.MPEG
    return frame


def fitted(reformatter: VideoReformatter, frame: VideoFrame, size: tuple[int, int], matrix: Matrix) -> VideoFrame:
    """Return a frame of that width and height and matrix; the same one, if it is so."""
    return reformatter.reformat(
        frame, *size, dst_colorspace=_SWS[matrix], interpolation=Interpolation.BILINEAR, threads=1
    )


def as_bgr(image: Planar) -> NDArray[np.uint8]:
    """Return the picture as BGR uint8 (H, W, 3)."""
    frame = as_frame(image).reformat(format="bgr24", interpolation=Interpolation.BILINEAR, threads=1)
    return np.asarray(frame.to_ndarray(), np.uint8)


def black(width: int, height: int, matrix: Matrix) -> Planar:
    """Return a black picture of an even size."""
    image = Planar(np.full((height * 3 // 2, width), _GREY, np.uint8), matrix)
    image.planes[0][...] = _BLACK
    return image
