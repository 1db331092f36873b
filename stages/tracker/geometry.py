"""Zones and lines in a picture, in pixels: what is inside, and what crosses."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from stages.tracker.places import Anchor, Point

_DOWN: Final[dict[Anchor, float]] = {"top_center": 0.0, "center": 0.5, "bottom_center": 1.0}


def anchors(xyxy: NDArray[np.float64], anchor: Anchor) -> NDArray[np.float64]:
    """Return where the objects of boxes (N, 4) are: x and y, shape (N, 2), pixels."""
    left, top, right, bottom = xyxy.reshape(-1, 4).T
    return np.stack([(left + right) / 2, top + (bottom - top) * _DOWN[anchor]], axis=1)


def rounded(points: Sequence[Point]) -> tuple[tuple[int, int], ...]:
    """Return points in whole pixels."""
    return tuple((round(x), round(y)) for x, y in points)


class Area:
    """A polygon, or all of the picture."""

    def __init__(self, corners: Sequence[Point] | None) -> None:
        self._shape = None if corners is None else shapely.Polygon(corners)
        shapely.prepare(self._shape)

    def holds(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which of the points (N, 2) are inside, or on the edge."""
        if self._shape is None:
            return np.ones(len(points), np.bool_)
        return np.asarray(shapely.intersects_xy(self._shape, points[:, 0], points[:, 1]), np.bool_)


class Tripwire:
    """A line of one leg or more."""

    def __init__(self, points: Sequence[Point]) -> None:
        places = np.asarray(points, np.float64)
        self._starts, self._ends = places[:-1], places[1:]
        self._legs = shapely.linestrings(np.stack([self._starts, self._ends], axis=1))

    def crossings(self, before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return of each move from `before` to `after` (N, 2) whether it crosses: 1 inwards, -1 outwards, 0 not.

        Who goes around an end, or comes back over another leg, has not crossed. A point on a leg is to its left.
        """
        if not len(before):
            return np.zeros(0, np.int64)
        moves = shapely.linestrings(np.stack([before, after], axis=1))
        touches = shapely.intersects(self._legs[:, None], moves[None, :])
        turns = self._right_of(after).astype(np.int64) - self._right_of(before)
        return np.asarray(np.sign((touches * turns).sum(axis=0)), np.int64)

    def _right_of(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which points are to the right of which leg, seen along it, shape (legs, N); y grows downwards."""
        along = (self._ends - self._starts)[:, None, :]
        aside = points[None, :, :] - self._starts[:, None, :]
        return np.asarray(along[..., 0] * aside[..., 1] - along[..., 1] * aside[..., 0] > 0, np.bool_)
