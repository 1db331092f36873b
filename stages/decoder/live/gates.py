"""Which frames of a camera are worth looking at."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.decoder.live.captured import Captured
from stages.decoder.sizes import region, scaled_box

WIDTH: Final = 320
"""Of the grey picture that motion is looked for in."""
_BLUR: Final = (5, 5)
_LEARN_S: Final = 2.0
"""In which the background takes on most of a change: slower than a car passes, faster than the sun."""


class RateGate:
    """Lets at most `fps` frames a second through, evenly, whatever the camera's rate is."""

    def __init__(self, fps: float | None) -> None:
        self._interval_s = 1 / fps if fps else 0.0
        self._due_s: float | None = None

    def passes(self, now_s: float) -> bool:
        """Say of a frame at a time that never goes back."""
        if self._due_s is None or now_s >= self._due_s + 2 * self._interval_s:
            self._due_s = now_s + self._interval_s  # after a pause, no burst to make up for it
            return True
        # Half a millisecond early is in time: 10 of 30 a second is every third, not every fourth now and then.
        if now_s + 5e-4 < self._due_s:
            return False
        self._due_s += self._interval_s
        return True


class MotionGate:
    """Says whether a picture differs from what the camera has shown lately."""

    def __init__(self, threshold: int, min_area: float, force_every_s: float) -> None:
        self._threshold, self._min_area, self._force_every_s = threshold, min_area, force_every_s
        self._background: NDArray[np.float32] | None = None
        self._seen_s = 0.0
        self._passed_s = 0.0

    def passes(self, grey: NDArray[np.uint8], now_s: float) -> bool:
        """Say of a picture, uint8 (H, W), about 320 wide, at a time that never goes back."""
        moves = self._moves(cv2.GaussianBlur(grey, _BLUR, 0), now_s)
        if moves or now_s - self._passed_s >= self._force_every_s:
            self._passed_s = now_s
            return True
        return False

    def _moves(self, blurred: "cv2.typing.MatLike", now_s: float) -> bool:
        if self._background is None or self._background.shape != blurred.shape:
            self._background, self._seen_s = np.asarray(blurred, np.float32), now_s
            return True
        difference = cv2.absdiff(blurred, cv2.convertScaleAbs(self._background))
        # A lamp or an exposure that changes moves all pixels alike: what most of them do is no motion.
        common = float(np.median(difference[::4, ::4]))
        _, changed = cv2.threshold(difference, self._threshold + common, 1, cv2.THRESH_BINARY)
        learned = 1 - np.exp(-max(now_s - self._seen_s, 0.0) / _LEARN_S)
        cv2.accumulateWeighted(blurred, self._background, float(learned))
        self._seen_s = now_s
        return cv2.countNonZero(changed) >= self._min_area * changed.size


def glance(captured: Captured, roi: tuple[float, float, float, float] | None) -> NDArray[np.uint8]:
    """Return what is looked at of a frame, grey (H, W) and small."""
    scale = WIDTH / captured.width
    size = (WIDTH, max(round(captured.height * scale), 1))
    grey, part = grey_of(captured.scaled(*size)), region(roi, captured.width, captured.height)
    if part is None:
        return grey
    left, top, right, bottom = scaled_box(part, scale, size)
    return np.ascontiguousarray(grey[top:bottom, left:right])


def grey_of(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a BGR picture (H, W, 3) as grey (H, W)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
