"""Which pictures of a frame are stored, and how large they are."""

from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Pictures, Planar
from pipeline.settings import FlowSettings
from stages.decoder.picture import planar
from stages.decoder.source import Scale

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom, pixels."""


@dataclass(frozen=True, slots=True)
class PictureSizes:
    """Width and height of the pictures that are stored of each frame of a source."""

    detect: tuple[int, int]
    full: tuple[int, int] | None
    part: Box | None = None
    """Where in the picture of size `detect` that is that is looked at; None: all of it."""

    @classmethod
    def of(cls, width: int, height: int, flow: FlowSettings, roi: Box | None = None) -> Self:
        """Return the detector's picture, as its letterbox would scale it, and the full one if a sink draws.

        Of a frame of which a part (`roi`) is looked at, the whole is scaled so that the part fits; it is not enlarged.
        """
        left, top, right, bottom = roi or (0, 0, width, height)
        scale = min(flow.picture_size[0] / (bottom - top), flow.picture_size[1] / (right - left))
        if roi is not None:
            scale = min(scale, 1.0)
        detect = (max(round(width * scale), 1), max(round(height * scale), 1))
        part = None if roi is None else scaled_box(roi, scale, detect)
        return cls(detect, _even(width, height) if flow.full_size else None, part)

    @property
    def slot_bytes(self) -> int:
        """Bytes of the pictures of one frame."""
        width, height = self.detect
        if self.part is not None:
            width, height = self.part[2] - self.part[0], self.part[3] - self.part[1]
        return 3 * width * height + (self.full[0] * self.full[1] * 3 // 2 if self.full else 0)

    def pictures(self, scaled: Scale) -> Pictures:
        """Return the pictures of a frame."""
        return Pictures(self._detect(scaled), self.whole(scaled))

    def whole(self, scaled: Scale) -> Planar | None:
        """Return the full picture of a frame, if it is wanted."""
        return planar(scaled, *self.full) if self.full else None

    def _detect(self, scaled: Scale) -> NDArray[np.uint8]:
        whole = scaled(*self.detect)
        if self.part is None:
            return whole
        left, top, right, bottom = self.part
        return np.ascontiguousarray(whole[top:bottom, left:right])


def _even(width: int, height: int) -> tuple[int, int]:
    """Return the nearest size whose chroma has half of it."""
    return max(width // 2 * 2, 2), max(height // 2 * 2, 2)


def region(roi: tuple[float, float, float, float] | None, width: int, height: int) -> Box | None:
    """Return the part of a frame that is looked at, pixels; of sides in parts of 1 or in pixels, None for all of it."""
    if roi is None:
        return None
    in_parts = max(roi) <= 1
    sides = [round(side * (length if in_parts else 1)) for side, length in zip(roi, (width, height) * 2, strict=True)]
    left, top = min(sides[0], width - 1), min(sides[1], height - 1)
    return left, top, min(max(sides[2], left + 1), width), min(max(sides[3], top + 1), height)


def scaled_box(box: Box, scale: float, within: tuple[int, int]) -> Box:
    """Return where a box is in a picture, of that width and height, that was scaled: inside it, and never empty."""
    left, top = (min(round(side * scale), most - 1) for side, most in zip(box[:2], within, strict=True))
    right, bottom = (min(round(side * scale), most) for side, most in zip(box[2:], within, strict=True))
    return left, top, max(right, left + 1), max(bottom, top + 1)
