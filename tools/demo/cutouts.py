"""Objects cut out of their frames, and what they are pasted on."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tools.demo.labels import Image, Labelled, Mask, Scene

Box = tuple[float, float, float, float]
SCALES = {0: (0.6, 1.15), 1: (0.6, 1.3)}
TURNS = {0: 10.0, 1: 35.0}


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """One whole object."""

    image: Image
    """BGR uint8, shape (h, w, 3)."""
    mask: Mask
    """0 or 255, shape (h, w)."""
    class_id: int


def cut_out(frames: Sequence[Labelled], scene: Scene) -> tuple[Cutout, ...]:
    """Return the objects of the frames that no border of the picture cuts (a head may touch the upper one)."""
    found = []
    for frame in frames:
        height, width = frame.image.shape[:2]
        top = -1 if scene.cut_area else 2
        for box, mask in zip(frame.boxes, frame.masks, strict=True):
            x1, y1, x2, y2 = (int(side) for side in box)
            if x1 > 2 and y1 > top and x2 < width - 2 and y2 < height - 2:
                found.append(Cutout(frame.image[y1:y2, x1:x2], mask[y1:y2, x1:x2], scene.class_id))
    return tuple(found)


def recolour(image: Image, mask: Mask, random: np.random.Generator) -> None:
    """Give the masked pixels another colour, in place; now and then one colour above a line, another below."""
    x, y, width, height = cv2.boundingRect(mask)
    border = int(height * random.uniform(0.3, 0.7)) if random.random() < 0.6 else height
    for low, high in ((0, border), (border, height)):
        part = image[y + low : y + high, x : x + width]
        where = mask[y + low : y + high, x : x + width] > 0
        channels = random.permutation(3) if random.random() < 0.4 else np.arange(3)
        gain = random.uniform(0.5, 1.3) * random.uniform(0.75, 1.25, 3)
        offset = random.uniform(-10, 90) + random.uniform(-25, 25, 3)
        painted = np.clip(part[..., channels] * gain + offset, 0, 255).astype(np.uint8)
        part[where] = painted[where]


def paste(canvas: Image, cutout: Cutout, taken: Sequence[Box], random: np.random.Generator) -> Box | None:
    """Draw the object, changed at random, at a free place of the canvas; return its box, or None if there is none."""
    image, mask = _vary(cutout, random)
    height, width = mask.shape
    for _ in range(5):
        x, y = _place(canvas.shape[1] - width, canvas.shape[0] - height, cutout.class_id, random)
        box = (
            max(x, 0.0), max(y, 0.0), min(x + width, float(canvas.shape[1])), min(y + height, float(canvas.shape[0])),
        )  # fmt: skip
        if all(_overlap(box, other) < 0.05 for other in taken):
            _blend(canvas, image, mask, (int(x), int(y)))
            return box
    return None


def _place(room_x: int, room_y: int, class_id: int, random: np.random.Generator) -> tuple[float, float]:
    """People stay inside at the sides, cars may leave the picture by half their length."""
    hidden = 0.5 if class_id else 0.0
    out_y = hidden * 200
    x = random.integers(min(0, room_x), max(0, room_x) + 1)
    y = random.integers(int(min(0, room_y) - out_y), int(max(0, room_y) + out_y) + 1)
    return float(x), float(y)


def _vary(cutout: Cutout, random: np.random.Generator) -> tuple[Image, Mask]:
    image = cutout.image.copy()
    if random.random() < 0.7:
        recolour(image, cutout.mask, random)
    scale, angle = random.uniform(*SCALES[cutout.class_id]), random.normal(0, TURNS[cutout.class_id] / 2)
    height, width = cutout.mask.shape
    side = int(np.hypot(height, width) * scale) + 4
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    if random.random() < 0.5:
        matrix[0] = -matrix[0] + np.array([0, 0, side - 1])
    turned = np.asarray(cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    outline = np.asarray(cv2.warpAffine(cutout.mask, matrix, (side, side)), np.uint8)
    x, y, w, h = cv2.boundingRect((outline > 127).astype(np.uint8))
    return turned[y : y + h, x : x + w], outline[y : y + h, x : x + w]


def _blend(canvas: Image, image: Image, mask: Mask, at: tuple[int, int]) -> None:
    x, y = at
    height, width = mask.shape
    left, top = max(-x, 0), max(-y, 0)
    right, bottom = min(width, canvas.shape[1] - x), min(height, canvas.shape[0] - y)
    target = canvas[y + top : y + bottom, x + left : x + right]
    soft = cv2.blur(cv2.erode(mask, np.ones((3, 3), np.uint8)), (3, 3))[top:bottom, left:right, None] / 255.0
    target[:] = (target * (1 - soft) + image[top:bottom, left:right] * soft).astype(np.uint8)


def _overlap(a: Box, b: Box) -> float:
    """Return the shared area as a part of the smaller box."""
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / max(1.0, min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)))


class Clutter:
    """Backgrounds and shapes that are no objects."""

    def __init__(self, plates: Sequence[Image], random: np.random.Generator) -> None:
        self._plates = tuple(plates)
        self._random = random

    def picture(self) -> Image:
        """Return a picture of the plates' size, BGR uint8: blown-up or flat colour, with shapes on it."""
        plate = self._plates[int(self._random.integers(len(self._plates)))]
        height, width = plate.shape[:2]
        if self._random.random() < 0.6:
            w, h = (int(side * self._random.uniform(0.15, 0.6)) for side in (width, height))
            x, y = int(self._random.integers(width - w)), int(self._random.integers(height - h))
            canvas = np.asarray(cv2.resize(plate[y : y + h, x : x + w], (width, height)), np.uint8)
            canvas = np.ascontiguousarray(np.rot90(canvas, 2)) if self._random.random() < 0.5 else canvas
        else:
            coarse = self._random.integers(0, 256, (int(self._random.integers(1, 7)), 8, 3)).astype(np.uint8)
            canvas = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
        self.scatter(canvas)
        return canvas

    def scatter(self, canvas: Image) -> None:
        """Draw a few plain shapes, in place."""
        height, width = canvas.shape[:2]
        for _ in range(int(self._random.integers(1, 7))):
            centre = (int(self._random.integers(width)), int(self._random.integers(height)))
            axes = (int(self._random.integers(6, 90)), int(self._random.integers(6, 160)))
            colour = tuple(int(value) for value in self._random.integers(0, 256, 3))
            turn = float(self._random.uniform(0, 180))
            if self._random.random() < 0.5:
                cv2.ellipse(canvas, centre, axes, turn, 0, 360, colour, cv2.FILLED)
            else:
                corners = cv2.boxPoints((centre, axes, turn)).astype(np.int32)
                cv2.fillPoly(canvas, [corners], colour)
