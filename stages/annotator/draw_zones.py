"""Zones and lines on a picture."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import ZoneCount
from stages.annotator.canvas import Canvas, Lettering
from stages.annotator.palette import Bgr, colour_of

_OPACITY: Final = 0.18
"""Of a zone's area."""


def draw_zones(
    canvas: Canvas, zones: tuple[ZoneCount, ...], original: tuple[int, int], *, counted: bool = True
) -> None:
    """Draw each zone and line, with what is counted there if `counted`.

    `original`: width and height of the whole frame that the canvas shows.
    """
    scale = np.array([canvas.width / original[0], canvas.height / original[1]])
    everywhere = 0
    for number, zone in enumerate(zones):
        colour, text = colour_of(number), _text_of(zone) if counted else zone.zone
        if not zone.points:
            everywhere += 1
            _label(canvas, text, np.array([0, canvas.height * everywhere / 16]), colour)
            continue
        points = np.rint(np.array(zone.points) * scale).astype(np.int32)
        _outline(canvas, points, colour, closed=zone.inside is not None)
        _label(canvas, text, _beside(points, closed=zone.inside is not None), colour)


def _outline(canvas: Canvas, points: NDArray[np.int32], colour: Bgr, *, closed: bool) -> None:
    if closed:
        canvas.tint(points, colour, _OPACITY)
    canvas.polyline(points, colour, _thickness(canvas), closed=closed)
    if not closed:
        _arrow(canvas, points, colour)


def _arrow(canvas: Canvas, points: NDArray[np.int32], colour: Bgr) -> None:
    """Show which way is in: to the right of the line, seen along it."""
    first, second = points[:2].astype(np.float64)
    across = np.array([-(second - first)[1], (second - first)[0]]) / max(np.hypot(*(second - first)), 1e-9)
    middle = (first + second) / 2
    start, end = (np.rint(point).astype(np.int32) for point in (middle, middle + across * canvas.height / 16))
    canvas.arrow(start, end, colour, _thickness(canvas))


def _beside(points: NDArray[np.int32], *, closed: bool) -> NDArray[np.float64]:
    """Return where the middle of the label goes: at a zone's upper edge, at a line's first quarter."""
    if closed:
        return np.array([points[:, 0].mean(), points[:, 1].min()])
    return np.asarray(points[0] * 0.75 + points[1] * 0.25, np.float64)


def _label(canvas: Canvas, text: str, middle: NDArray[Any], colour: Bgr) -> None:
    lettering = Lettering(max(0.35, canvas.height / 1000), max(1, round(canvas.height / 500)), 4)
    width, height = lettering.size(text)
    canvas.text(text, round(middle[0] - width / 2), round(middle[1] - height / 2), lettering, colour)


def _thickness(canvas: Canvas) -> int:
    return max(1, round(canvas.height / 300))


def _text_of(zone: ZoneCount) -> str:
    if zone.inside is None:
        return f"{zone.zone}: {zone.entered} in, {zone.left} out"
    return f"{zone.zone}: {zone.inside}"
