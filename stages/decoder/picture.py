"""Decoded frames into upright pictures of a size."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from pipeline.frame import Matrix, Planar
from stages.decoder.source import PlanarScale, Scale

# Against cv2's INTER_LINEAR from the full BGR picture, 768x432 to 636x358 and to 316x178, two cores with AVX2:
#   area, planes first and then to BGR   54.2 dB in 0.35 ms, 48.5 dB in 0.15 ms
#   area, in one pass                    47.6 dB in 0.77 ms, 45.9 dB in 0.28 ms
#   bilinear, planes first               53.3 dB in 0.35 ms, 45.5 dB in 0.22 ms
#   fast bilinear, planes first          52.7 dB in 0.35 ms, 34.6 dB in 0.17 ms (aliases)
#   BGR first, then cv2                  (itself) in 0.88 ms            0.38 ms
_INTERPOLATION: Final = Interpolation.AREA
_HALVED: Final = frozenset({"yuv420p", "yuvj420p", "nv12"})
"""Formats that have no more colour than the planes that are scaled first."""
_KNOWN: Final = {1: Matrix.BT709, 5: Matrix.BT601, 6: Matrix.BT601}
"""By FFmpeg's AVColorSpace; BT.470 BG is BT.601's."""
_UNSPECIFIED: Final = 2
_HD: Final = 720
"""Lines from which on players take what is not said for BT.709."""
_SWS: Final = {Matrix.BT709: Colorspace.ITU709, Matrix.BT601: Colorspace.ITU601}


class Scaler:
    """Scales and turns frames upright, with one swscale context a size; one thread at a time."""

    def __init__(self) -> None:
        self._reformatters: dict[tuple[int, int, str], VideoReformatter] = {}

    def bgr(self, frame: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        """Return the upright picture, BGR uint8 (height, width, 3), contiguous."""
        turns = quarter_turns(frame)
        size = (height, width) if turns % 2 else (width, height)
        if frame.format.name in _HALVED and size != (frame.width, frame.height):
            frame = self._reformatted(frame, size, "yuv420p")
        scaled = self._reformatted(frame, size, "bgr24")
        return np.ascontiguousarray(_turned(np.asarray(scaled.to_ndarray(), np.uint8), turns))

    def planar(self, frame: VideoFrame, width: int, height: int) -> Planar:
        """Return the upright picture; width and height are even, and the line that a frame has more is left out.

        What is 4:2:0 of limited range already, as nearly all video is, is copied, not converted.
        """
        turns, matrix = quarter_turns(frame), _matrix(frame)
        size = (height, width) if turns % 2 else (width, height)
        if frame.width - size[0] in (0, 1) and frame.height - size[1] in (0, 1):
            size = (frame.width, frame.height)
        scaled = self._reformatted(
            frame,
            size,
            "yuv420p",
            src_colorspace=_SWS[matrix] if frame.colorspace == _UNSPECIFIED else None,
            dst_colorspace=_SWS[matrix],
            dst_color_range=ColorRange.MPEG,
        )
        packed = Planar(np.empty((height * 3 // 2, width), np.uint8), matrix)
        for plane, area in zip(scaled.planes, packed.planes, strict=True):
            rows, columns = area.shape[::-1] if turns % 2 else area.shape
            area[...] = _turned(_rows(plane)[:rows, :columns], turns)
        return packed

    def _reformatted(self, frame: VideoFrame, size: tuple[int, int], form: str, **colours: int | None) -> VideoFrame:
        reformatter = self._reformatters.setdefault((*size, form), VideoReformatter())
        # One thread: the other cores have frames of their own.
        return reformatter.reformat(frame, *size, form, interpolation=_INTERPOLATION, threads=1, **colours)


@dataclass(frozen=True, slots=True)
class Shot:
    """A decoded frame on its way to be a picture; a `PlanarScale`."""

    scaler: Scaler
    frame: VideoFrame

    def __call__(self, width: int, height: int) -> NDArray[np.uint8]:
        """Return the upright picture, BGR uint8 (height, width, 3), contiguous."""
        return self.scaler.bgr(self.frame, width, height)

    def planar(self, width: int, height: int) -> Planar:
        """Return the upright picture as video has it."""
        return self.scaler.planar(self.frame, width, height)


def planar(scaled: Scale, width: int, height: int) -> Planar:
    """Return a picture as video has it: the decoder's own, or made of BGR where there is no other."""
    if isinstance(scaled, PlanarScale):
        return scaled.planar(width, height)
    return from_bgr(scaled(width, height))


def from_bgr(image: NDArray[np.uint8]) -> Planar:
    """Return a picture, BGR uint8 (H, W, 3), as video has it; of an odd size without the last line."""
    height, width = (max(length // 2 * 2, 2) for length in image.shape[:2])
    return Scaler().planar(VideoFrame.from_ndarray(np.ascontiguousarray(image), "bgr24"), width, height)


def quarter_turns(frame: VideoFrame) -> int:
    """Return how many quarter turns counterclockwise, 0 to 3, set the frame upright."""
    return round(frame.rotation / 90) % 4


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Return (width, height) of the upright picture."""
    size = (frame.width, frame.height)
    return size[::-1] if quarter_turns(frame) % 2 else size


def _matrix(frame: VideoFrame) -> Matrix:
    """Return the matrix that a frame has, or is to be converted to."""
    if frame.colorspace == _UNSPECIFIED and not (frame.format.is_rgb or frame.format.has_palette):
        return Matrix.BT709 if min(frame.width, frame.height) >= _HD else Matrix.BT601
    return _KNOWN.get(frame.colorspace, Matrix.BT709)


def _rows(plane: VideoPlane) -> NDArray[np.uint8]:
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)


def _turned(image: NDArray[np.uint8], turns: int) -> NDArray[np.uint8]:
    if not turns:
        return image
    import cv2  # here: few recordings are turned, and it takes 0.2 s

    codes = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}
    return np.asarray(cv2.rotate(image, codes[turns]), np.uint8)
