"""Zones and lines on a picture."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import ZoneCount

_GLYPH_WIDTH: Final = 16
"""Of OpenCV's font at scale 1, in pixels, roughly."""
_GLYPH_HEIGHT: Final = 30
_OPACITY: Final = 0.18
"""Of a zone's area."""


def draw_zones(
    image: NDArray[np.uint8], zones: tuple[ZoneCount, ...], original: tuple[int, int], *, counted: bool = True
) -> None:
    """Draw each zone and line, in place, with what is counted there if `counted`.

    `image` is BGR uint8 (H, W, 3); `original`: width and height of the whole frame that it shows.
    """
    import supervision as sv

    height, width = image.shape[:2]
    scale = np.array([width / original[0], height / original[1]])
    palette = sv.ColorPalette.DEFAULT
    everywhere = 0
    for number, zone in enumerate(zones):
        colour, text = palette.by_idx(number), _text_of(zone) if counted else zone.zone
        if not zone.points:
            everywhere += 1
            _label(image, text, np.array([0, height * everywhere / 16]), colour)
            continue
        points = np.rint(np.array(zone.points) * scale).astype(np.int32)
        _outline(image, points, colour, closed=zone.inside is not None)
        _label(image, text, _beside(points, closed=zone.inside is not None), colour)


def _outline(image: NDArray[np.uint8], points: NDArray[np.int32], colour: Any, *, closed: bool) -> None:
    import cv2

    thickness = max(1, round(image.shape[0] / 300))
    if closed:
        left, top = np.maximum(points.min(axis=0), 0)
        right, bottom = points.max(axis=0) + 1
        part = image[top:bottom, left:right]  # not all of the picture: blending is what costs
        if part.size:
            filled = cv2.fillPoly(part.copy(), [points - [left, top]], colour.as_bgr())
            cv2.addWeighted(filled, _OPACITY, part, 1 - _OPACITY, 0, dst=part)
    cv2.polylines(image, [points], closed, colour.as_bgr(), thickness, cv2.LINE_AA)
    if not closed:
        _arrow(image, points, colour)


def _arrow(image: NDArray[np.uint8], points: NDArray[np.int32], colour: Any) -> None:
    """Show which way is in: to the right of the line, seen along it."""
    import cv2

    first, second = points[:2].astype(np.float64)
    across = np.array([-(second - first)[1], (second - first)[0]]) / max(np.hypot(*(second - first)), 1e-9)
    middle = (first + second) / 2
    tip = middle + across * image.shape[0] / 16
    start, end = (tuple(int(x) for x in np.rint(point)) for point in (middle, tip))
    cv2.arrowedLine(image, start, end, colour.as_bgr(), max(1, round(image.shape[0] / 300)), cv2.LINE_AA, tipLength=0.4)


def _beside(points: NDArray[np.int32], *, closed: bool) -> NDArray[np.float64]:
    """Return where the label goes: at a zone's upper edge, at a line's first quarter."""
    if closed:
        return np.array([points[:, 0].mean(), points[:, 1].min()])
    return np.asarray(points[0] * 0.75 + points[1] * 0.25, np.float64)


def _label(image: NDArray[np.uint8], text: str, at: NDArray[Any], colour: Any) -> None:
    import supervision as sv

    height, width = image.shape[:2]
    font = max(0.35, height / 1000)
    half = len(text) * font * _GLYPH_WIDTH / 2 + 4
    x = min(max(at[0], half), max(width - half, half))
    y = min(max(at[1], font * _GLYPH_HEIGHT), height - font * _GLYPH_HEIGHT)
    thickness = max(1, round(height / 500))
    sv.draw_text(image, text, sv.Point(x, y), sv.Color.BLACK, font, thickness, 4, background_color=colour)


def _text_of(zone: ZoneCount) -> str:
    if zone.inside is None:
        return f"{zone.zone}: {zone.entered} in, {zone.left} out"
    return f"{zone.zone}: {zone.inside}"
