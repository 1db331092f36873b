"""What moves in the street, as polygons in a box of 1 x 1 that looks to the right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Colour: TypeAlias = tuple[int, int, int]
"""BGR."""
Polygon: TypeAlias = NDArray[np.float32]
"""Shape (N, 2), x to the right and y down, in [0, 1]."""
Shape: TypeAlias = Literal["saloon", "van", "bus", "adult", "child"]

VEHICLES: Final[tuple[Shape, ...]] = ("saloon", "saloon", "van", "bus")
PEOPLE: Final[tuple[Shape, ...]] = ("adult", "adult", "child")

_SHIFT: Final = 4
"""Bits behind the point in the corners that OpenCV is given: slow things move by less than a pixel."""
_GLASS: Final = (92, 78, 66)
_TYRE: Final = (32, 30, 30)
_LAMP: Final = (190, 235, 245)
_SKIN: Final = (135, 165, 205)
_TROUSERS: Final = (72, 58, 50)


@dataclass(frozen=True, slots=True)
class Build:
    """How large a shape is."""

    height: float
    """Of the lane's height for a saloon or an adult."""
    aspect: float
    """Width over height."""


BUILDS: Final[dict[Shape, Build]] = {
    "saloon": Build(1.0, 2.5),
    "van": Build(1.35, 1.9),
    "bus": Build(1.75, 2.6),
    "adult": Build(1.0, 0.4),
    "child": Build(0.68, 0.44),
}


def paint(
    image: NDArray[np.uint8], shape: Shape, xyxy: Sequence[float], colour: Colour, left: bool, step: float
) -> None:
    """Paint a shape in its box, float pixels; `left` is where it looks, `step` (radians) where its legs are."""
    x1, y1, x2, y2 = xyxy
    scale = np.array([x1 - x2 if left else x2 - x1, y2 - y1], np.float32)
    origin = np.array([x2 if left else x1, y1], np.float32)
    parts = _person(colour, step) if shape in PEOPLE else _VEHICLES[shape]
    for polygon, own in parts:
        corners = ((polygon * scale + origin) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(image, [corners], own or colour, cv2.LINE_AA, _SHIFT)


def _polygon(*corners: tuple[float, float]) -> Polygon:
    return np.array(corners, np.float32)


def _ellipse(x: float, y: float, across: float, down: float, corners: int = 10) -> Polygon:
    angles = np.arange(corners) * (2 * math.pi / corners)
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1).astype(np.float32)


def _box(x1: float, y1: float, x2: float, y2: float) -> Polygon:
    return _polygon((x1, y1), (x2, y1), (x2, y2), (x1, y2))


def _wheel(x: float, shape: Shape, radius: float) -> Polygon:
    return _ellipse(x, 1 - radius, radius / BUILDS[shape].aspect, radius)


_VEHICLES: Final[dict[Shape, list[tuple[Polygon, Colour | None]]]] = {
    "saloon": [
        (
            _polygon(
                (0, 0.55),
                (0.03, 0.42),
                (0.18, 0.38),
                (0.31, 0),
                (0.68, 0),
                (0.84, 0.4),
                (0.98, 0.5),
                (1, 0.85),
                (0, 0.85),
            ),
            None,
        ),
        (_polygon((0.24, 0.38), (0.34, 0.08), (0.49, 0.08), (0.49, 0.38)), _GLASS),
        (_polygon((0.53, 0.38), (0.53, 0.08), (0.65, 0.08), (0.77, 0.38)), _GLASS),
        (_box(0.95, 0.52, 1, 0.62), _LAMP),
        (_wheel(0.2, "saloon", 0.2), _TYRE),
        (_wheel(0.79, "saloon", 0.2), _TYRE),
    ],
    "van": [
        (_polygon((0, 0), (0.72, 0), (0.86, 0.42), (0.99, 0.5), (1, 0.88), (0, 0.88)), None),
        (_polygon((0.58, 0.4), (0.58, 0.1), (0.7, 0.1), (0.8, 0.4)), _GLASS),
        (_box(0.95, 0.55, 1, 0.64), _LAMP),
        (_wheel(0.19, "van", 0.16), _TYRE),
        (_wheel(0.8, "van", 0.16), _TYRE),
    ],
    "bus": [
        (_polygon((0, 0.02), (0.02, 0), (0.97, 0), (1, 0.1), (1, 0.92), (0, 0.92)), None),
        (_box(0.04, 0.14, 0.8, 0.45), _GLASS),
        (_box(0.84, 0.14, 0.99, 0.55), _GLASS),
        (_box(0.97, 0.68, 1, 0.76), _LAMP),
        (_wheel(0.18, "bus", 0.12), _TYRE),
        (_wheel(0.8, "bus", 0.12), _TYRE),
    ],
}


def _person(colour: Colour, step: float) -> list[tuple[Polygon, Colour | None]]:
    swing = 0.32 * math.sin(step)
    return [
        (_limb(0.5, 0.52, 0.5 - swing, 1.0, 0.13), _TROUSERS),
        (_limb(0.5, 0.52, 0.5 + swing, 1.0, 0.13), _TROUSERS),
        (_polygon((0.24, 0.2), (0.76, 0.2), (0.7, 0.58), (0.3, 0.58)), colour),
        (_limb(0.5, 0.24, 0.5 + swing, 0.55, 0.08), _SKIN),
        (_ellipse(0.5, 0.09, 0.2, 0.09), _SKIN),
    ]


def _limb(x1: float, y1: float, x2: float, y2: float, half: float) -> Polygon:
    return _polygon((x1 - half, y1), (x1 + half, y1), (x2 + half, y2), (x2 - half, y2))
