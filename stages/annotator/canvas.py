"""Drawing with OpenCV on a picture as it is: BGR in one array, or Y, U and V in three of different sizes.

Drawing on the planes spares a video two conversions a frame, which cost more than the drawing, and leaves what is not
drawn on as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Matrix, Planar
from stages.annotator.palette import BLACK, Bgr, as_yuv

_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_GREYS: Final = 256


@dataclass(frozen=True, slots=True)
class Lettering:
    """How large a text is."""

    scale: float
    """Of OpenCV's font, whose capitals are 21 pixels high at 1."""
    thickness: int
    padding: int
    """Pixels of background around it."""

    def size(self, text: str) -> tuple[int, int]:
        """Return the width and height of a text with its background, in pixels, both even."""
        return _size(text, self)[:2]


class Canvas:
    """A picture that is drawn on in place; places are its pixels, colours are BGR."""

    def __init__(self, image: NDArray[np.uint8] | Planar) -> None:
        """`image`: BGR uint8 (H, W, 3), or planar."""
        if isinstance(image, Planar):
            self.width, self.height = image.width, image.height
            self._layers = [_Layer(plane, int(at > 0), at, image.matrix) for at, plane in enumerate(image.planes)]
        else:
            self.height, self.width = image.shape[:2]
            self._layers = [_Layer(image)]

    def rectangle(self, box: Sequence[int], colour: Bgr, thickness: int) -> None:
        """Draw the edges of a box: left, top, right, bottom."""
        for layer in self._layers:
            left, top, right, bottom = (side >> layer.shift for side in box)
            cv2.rectangle(layer.pixels, (left, top), (right, bottom), layer.value(colour), layer.stroke(thickness))

    def polyline(self, points: NDArray[np.int32], colour: Bgr, thickness: int, *, closed: bool) -> None:
        """Draw lines from point to point (N, 2)."""
        for layer in self._layers:
            at = [points >> layer.shift]
            cv2.polylines(layer.pixels, at, closed, layer.value(colour), layer.stroke(thickness), cv2.LINE_AA)

    def arrow(self, start: NDArray[np.int32], end: NDArray[np.int32], colour: Bgr, thickness: int) -> None:
        """Draw an arrow from one point (2,) to another."""
        for layer in self._layers:
            first, last = ((point >> layer.shift).tolist() for point in (start, end))
            stroke = layer.stroke(thickness)
            cv2.arrowedLine(layer.pixels, first, last, layer.value(colour), stroke, cv2.LINE_AA, tipLength=0.4)

    def tint(self, points: NDArray[np.int32], colour: Bgr, opacity: float) -> None:
        """Colour the inside of a polygon (N, 2)."""
        for layer in self._layers:
            at = points >> layer.shift
            left, top = np.maximum(at.min(axis=0), 0)
            right, bottom = at.max(axis=0) + 1
            part = layer.pixels[top:bottom, left:right]  # not all of the picture: blending is what costs
            if part.size:
                filled = cv2.fillPoly(part.copy(), [at - [left, top]], layer.value(colour))
                part[...] = cv2.addWeighted(filled, opacity, part, 1 - opacity, 0)

    def text(self, text: str, left: int, top: int, lettering: Lettering, background: Bgr) -> None:
        """Write in black on a background; what would be outside of the picture is moved in, then cut off."""
        width, height = lettering.size(text)
        left = max(min(left, self.width - width), 0) // 2 * 2
        top = max(min(top, self.height - height), 0) // 2 * 2
        masks = _masks(text, lettering)
        for layer in self._layers:
            area = layer.pixels[top >> layer.shift :, left >> layer.shift :]
            mask = masks[layer.shift][: area.shape[0], : area.shape[1]]
            area[: mask.shape[0], : mask.shape[1]] = layer.inks(background)[mask]


@dataclass(frozen=True, slots=True)
class _Layer:
    """One array of a picture."""

    pixels: NDArray[np.uint8]
    shift: int = 0
    """1 where it has half the size."""
    channel: int = 0
    matrix: Matrix | None = None
    """Of a plane; None for BGR."""

    def value(self, colour: Bgr) -> Sequence[int]:
        return colour if self.matrix is None else (as_yuv(colour, self.matrix)[self.channel],)

    def stroke(self, thickness: int) -> int:
        return (thickness + self.shift) >> self.shift

    def inks(self, background: Bgr) -> NDArray[np.uint8]:
        return _inks(tuple(self.value(background)), tuple(self.value(BLACK)))


@lru_cache(maxsize=1024)
def _size(text: str, lettering: Lettering) -> tuple[int, int, int]:
    """Return width, height, and where the baseline is, in pixels from above."""
    (width, height), below = cv2.getTextSize(text, _FONT, lettering.scale, lettering.thickness)
    edge = 2 * lettering.padding
    return _even(width + edge), _even(height + below // 2 + edge), lettering.padding + height


@lru_cache(maxsize=256)  # at 4K, 20 kB each
def _masks(text: str, lettering: Lettering) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return how much of each pixel is ink, 0 to 255, in full and in half size."""
    width, height, baseline = _size(text, lettering)
    mask, at = np.zeros((height, width), np.uint8), (lettering.padding, baseline)
    cv2.putText(mask, text, at, _FONT, lettering.scale, (_GREYS - 1,), lettering.thickness, cv2.LINE_AA)
    half = cv2.resize(mask, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return mask, np.asarray(half, np.uint8)


@lru_cache(maxsize=256)
def _inks(background: tuple[int, ...], ink: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return what a pixel is with 0/255 to 255/255 of ink, (256,) for a plane and (256, 3) for BGR."""
    share = np.linspace(0, 1, _GREYS)[:, None]
    table = np.rint((1 - share) * background + share * ink).astype(np.uint8)
    return np.asarray(table[:, 0] if len(ink) == 1 else table, np.uint8)


def _even(length: int) -> int:
    return length + length % 2
