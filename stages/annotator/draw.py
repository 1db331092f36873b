"""Boxes and labels on a picture, and zones and lines below them."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Detections, ZoneCount

_GLYPH_WIDTH: Final = 16
"""Of OpenCV's font at scale 1, in pixels, roughly."""
_GLYPH_HEIGHT: Final = 30
_OPACITY: Final = 0.18
"""Of a zone's area."""


def draw(image: NDArray[np.uint8], found: Detections) -> NDArray[np.uint8]:
    """Draw zones, lines and detections on `image`, BGR uint8 (H, W, 3), in place, and return it.

    The image may be smaller than the original frame. A colour stands for a track, before there is one for a class.
    """
    if found.zones:
        draw_zones(image, found.zones, (found.frame.width, found.frame.height))
    if not len(found):
        return image
    import supervision as sv  # here: it takes half a second, and only this draws

    height, width = image.shape[:2]
    xyxy = found.xyxy * np.array([width / found.frame.width, height / found.frame.height] * 2, np.float32)
    texts = _texts(found)
    colours = np.where(found.tracker_id >= 0, found.tracker_id, found.class_id)
    font, padding = max(0.35, height / 900), max(2, round(height / 140))
    boxes = sv.BoxAnnotator(thickness=max(1, round(height / 240)))
    labels = sv.LabelAnnotator(
        text_color=sv.Color.BLACK,  # the palette is of light colours
        text_scale=font,
        text_thickness=max(1, round(height / 500)),
        text_padding=padding,
    )
    boxes.annotate(image, sv.Detections(xyxy), custom_color_lookup=colours)
    inside = _with_room(xyxy, texts, width, font, padding)
    labels.annotate(image, sv.Detections(inside), labels=texts, custom_color_lookup=colours)
    return image


def draw_zones(image: NDArray[np.uint8], zones: tuple[ZoneCount, ...], original: tuple[int, int]) -> None:
    """Draw each zone and line with what is counted there, in place; `original`: width and height of the whole frame."""
    import supervision as sv

    height, width = image.shape[:2]
    scale = np.array([width / original[0], height / original[1]])
    palette = sv.ColorPalette.DEFAULT
    everywhere = 0
    for number, zone in enumerate(zones):
        colour = palette.by_idx(number)
        if not zone.points:
            everywhere += 1
            _label(image, _text_of(zone), np.array([0, height * everywhere / 16]), colour)
            continue
        points = np.rint(np.array(zone.points) * scale).astype(np.int32)
        _outline(image, points, colour, closed=zone.inside is not None)
        _label(image, _text_of(zone), points.mean(axis=0), colour)


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


def _with_room(
    xyxy: NDArray[np.float32], texts: list[str], width: int, font: float, padding: int
) -> NDArray[np.float32]:
    """Return the boxes (N, 4), moved so that the label above each is inside the picture.

    supervision's `smart_position` does it too, but at twice the cost of drawing.
    """
    widths = np.array([len(text) for text in texts], np.float32) * font * _GLYPH_WIDTH + 2 * padding
    moved = xyxy.copy()
    moved[:, 0] = np.clip(moved[:, 0], 0, np.maximum(width - widths, 0))
    moved[:, 1] = np.maximum(moved[:, 1], font * _GLYPH_HEIGHT + 2 * padding)
    return np.maximum(moved, moved[:, [0, 1, 0, 1]])


def _texts(found: Detections) -> list[str]:
    rows = zip(found.class_name, found.tracker_id.tolist(), found.confidence.tolist(), strict=True)
    return [f"{name} #{track} {share:.0%}" if track >= 0 else f"{name} {share:.0%}" for name, track, share in rows]
