"""Boxes and labels on a picture, and zones and lines below them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Detections
from stages.annotator.draw_zones import draw_zones

_GLYPH_WIDTH: Final = 16
"""Of OpenCV's font at scale 1, in pixels, roughly."""
_GLYPH_HEIGHT: Final = 30


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
