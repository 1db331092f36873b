"""A frame: what a message says of it, and its pixels."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import FrameMeta


class Matrix(IntEnum):
    """What Y, U and V mean in colours, by its number in ITU-T H.273 (and FFmpeg)."""

    BT709 = 1
    BT601 = 6


@dataclass(frozen=True, slots=True, eq=False)
class Planar:
    """A picture as video has it, FFmpeg's ``yuv420p`` of limited range: nobody has to convert it to encode it again."""

    data: NDArray[np.uint8]
    """Of shape (H * 3 / 2, W), H and W even: Y, then U, then V, of a quarter of the size each; OpenCV's I420."""
    matrix: Matrix

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.data.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.data.shape[0]) * 2 // 3

    @property
    def planes(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
        """Y (H, W), U and V (H / 2, W / 2): views, to write into."""
        luma, half = self.width * self.height, (self.height // 2, self.width // 2)
        y, u, v = np.split(self.data.reshape(-1), (luma, luma * 5 // 4))
        return y.reshape(self.height, self.width), u.reshape(half), v.reshape(half)

    def copy(self) -> "Planar":
        """Return one with memory of its own."""
        return Planar(self.data.copy(), self.matrix)


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """The pictures of one frame; either may be smaller than the original frame."""

    detect: NDArray[np.uint8] | None = None
    """BGR uint8 (H, W, 3), scaled to what the detector wants; None where nobody is to look at the frame again."""
    full: Planar | None = None
    """For the sinks that draw; None where none does."""

    @property
    def nbytes(self) -> int:
        """Bytes of pixels."""
        detect = 0 if self.detect is None else self.detect.nbytes
        return detect + (0 if self.full is None else self.full.data.nbytes)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a source on its way to the detector."""

    meta: FrameMeta
    image: NDArray[np.uint8]
    """BGR, shape (H, W, 3), perhaps scaled already to what the detector wants."""
