"""Boxes and labels on a picture, and zones and lines below them."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Planar
from pipeline.messages import Detections
from stages.annotator.canvas import Canvas, Lettering
from stages.annotator.draw_zones import draw_zones
from stages.annotator.palette import colour_of

Image = TypeVar("Image", NDArray[np.uint8], Planar)


def draw(image: Image, found: Detections) -> Image:
    """Draw zones, lines and detections on `image`, BGR uint8 (H, W, 3) or planar, in place, and return it.

    The image may be smaller than the original frame. A colour stands for a track, before there is one for a class.
    """
    canvas = Canvas(image)
    original = (found.frame.width, found.frame.height)
    if found.zones:
        draw_zones(canvas, found.zones, original)
    if len(found):
        _draw_objects(canvas, found, original)
    return image


def _draw_objects(canvas: Canvas, found: Detections, original: tuple[int, int]) -> None:
    scale = np.array([canvas.width / original[0], canvas.height / original[1]] * 2, np.float32)
    boxes = (found.xyxy * scale).astype(np.int32).tolist()
    numbers = np.where(found.tracker_id >= 0, found.tracker_id, found.class_id).tolist()
    height = canvas.height
    for box, number in zip(boxes, numbers, strict=True):
        canvas.rectangle(box, colour_of(number), max(1, round(height / 240)))
    lettering = Lettering(max(0.35, height / 900), max(1, round(height / 500)), max(2, round(height / 140)))
    for (left, top, *_), number, text in zip(boxes, numbers, _texts(found), strict=True):
        canvas.text(text, left, top - lettering.size(text)[1], lettering, colour_of(number))


def _texts(found: Detections) -> list[str]:
    rows = zip(found.class_name, found.tracker_id.tolist(), found.confidence.tolist(), strict=True)
    return [f"{name} #{track} {share:.0%}" if track >= 0 else f"{name} {share:.0%}" for name, track, share in rows]
