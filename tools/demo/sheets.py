"""Contact sheets to look at."""

from collections.abc import Sequence

import cv2
import numpy as np

from stages.detector.nms import Found
from tools.demo.labels import Boxes, Image, Labelled
from tools.demo.scenes import Picture

COLOURS = ((0, 0, 255), (0, 255, 0))
"""Of each class, BGR: people red, cars green."""
LABEL = (255, 255, 255)
Colour = tuple[int, int, int]


def label_sheet(frames: Sequence[Labelled]) -> Image:
    """Return frames with objects, spread over all, with their boxes; BGR uint8."""
    return _sheet([_drawn(frame.image, frame.boxes, [LABEL] * len(frame.boxes)) for frame in _spread(frames)])


def found_sheet(frames: Sequence[Labelled], found: Sequence[Found]) -> Image:
    """Return frames with objects, spread over all: what was found over the labels in white; BGR uint8."""
    of = {id(frame): one for frame, one in zip(frames, found, strict=True)}
    tiles = []
    for frame in _spread(frames):
        labelled = _drawn(frame.image, frame.boxes, [LABEL] * len(frame.boxes))
        one = of[id(frame)]
        tiles.append(_drawn(labelled, one.xyxy, [COLOURS[int(class_id)] for class_id in one.class_id]))
    return _sheet(tiles)


def picture_sheet(pictures: Sequence[Picture]) -> Image:
    """Return training pictures with their boxes; BGR uint8."""
    tiles = []
    for one in pictures:
        image = np.ascontiguousarray(one.image[..., ::-1])
        tiles.append(_drawn(image, one.boxes, [COLOURS[int(class_id)] for class_id in one.classes]))
    return _sheet(tiles)


def _spread(frames: Sequence[Labelled], count: int = 48) -> list[Labelled]:
    busy = [frame for frame in frames if len(frame.boxes)]
    return [busy[int(i)] for i in np.linspace(0, len(busy) - 1, count)]


def _drawn(image: Image, boxes: Boxes, colours: Sequence[Colour]) -> Image:
    drawn = image.copy()
    for (x1, y1, x2, y2), colour in zip(boxes.astype(int).tolist(), colours, strict=True):
        cv2.rectangle(drawn, (x1, y1), (x2, y2), colour, max(1, image.shape[1] // 200))
    return drawn


def _sheet(tiles: list[Image], columns: int = 8, width: int = 240) -> Image:
    height = tiles[0].shape[0] * width // tiles[0].shape[1]
    small = [np.asarray(cv2.resize(tile, (width, height), interpolation=cv2.INTER_AREA), np.uint8) for tile in tiles]
    small += [np.zeros_like(small[0])] * (-len(small) % columns)
    return np.vstack([np.hstack(small[at : at + columns]) for at in range(0, len(small), columns)])
