"""Training pictures: real frames and composites of cut-out objects, as the network sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.demo.cutouts import Clutter, Cutout, paste, recolour
from tools.demo.labels import Boxes, Image, Labelled, Scene

SIDE, LONG_SIDE, GREY = 320, 316, 114
EMPTY, REAL = 0.3, 0.5
VISIBLE = 0.4
"""An object of which the augmentation leaves less than this is not an object any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One training picture."""

    image: Image
    """RGB uint8, shape (rows, 320, 3)."""
    boxes: Boxes
    """xyxy in pixels of the picture, shape (N, 4)."""
    classes: NDArray[np.int64]
    """Shape (N,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What the pictures of one scene are made of."""

    scene: Scene
    plate: Image
    busy: tuple[Labelled, ...]
    empty: tuple[Labelled, ...]
    cutouts: tuple[Cutout, ...]


class Studio:
    """Makes training pictures; the same seed makes the same ones."""

    def __init__(self, materials: Sequence[Material], seed: int) -> None:
        self._materials = tuple(materials)
        self._random = np.random.default_rng(seed)
        self._clutter = Clutter([material.plate for material in materials], self._random)

    def picture(self, rows: int) -> Picture:
        """Return one picture, ``rows`` high: the middle rows of the letterboxed square."""
        made = self._real() if self._random.random() < REAL else self._composite()
        return self._finish(*made, rows)

    def _one_of(self, items: Sequence[Material]) -> Material:
        return items[int(self._random.integers(len(items)))]

    def _real(self) -> tuple[Image, Boxes, NDArray[np.int64]]:
        material = self._one_of(self._materials)
        frames = material.empty if self._random.random() < EMPTY else material.busy
        frame = frames[int(self._random.integers(len(frames)))]
        image = frame.image.copy()
        for mask in frame.masks:
            if self._random.random() < 0.5:
                recolour(image, mask, self._random)
        return image, frame.boxes, np.full(len(frame.boxes), material.scene.class_id, np.int64)

    def _composite(self) -> tuple[Image, Boxes, NDArray[np.int64]]:
        canvas = self._background()
        boxes: list[tuple[float, float, float, float]] = []
        classes: list[int] = []
        wanted = 0 if self._random.random() < EMPTY else int(self._random.integers(1, 4))
        for _ in range(wanted):
            cutouts = self._one_of(self._materials).cutouts
            cutout = cutouts[int(self._random.integers(len(cutouts)))]
            box = paste(canvas, cutout, boxes, self._random)
            if box is not None:
                boxes.append(box)
                classes.append(cutout.class_id)
        return canvas, np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.int64)

    def _background(self) -> Image:
        if self._random.random() < 0.5:
            return self._clutter.picture()
        canvas = self._one_of(self._materials).plate.copy()
        if self._random.random() < 0.5:
            self._clutter.scatter(canvas)
        return canvas

    def _finish(self, image: Image, boxes: Boxes, classes: NDArray[np.int64], rows: int) -> Picture:
        """Scale to the network's input, as inference does but for a random scale, shift, flip and colour."""
        height, width = image.shape[:2]
        scale = LONG_SIDE / max(height, width) * float(self._random.choice([1.0, self._random.uniform(0.75, 1.1)]))
        shift = self._random.uniform(-12, 12, 2) if self._random.random() < 0.5 else (0.0, 0.0)
        flip = -1.0 if self._random.random() < 0.5 else 1.0
        x0 = SIDE / 2 - flip * scale * width / 2 + shift[0]
        y0 = rows / 2 - scale * height / 2 + shift[1]
        matrix = np.array(
            [[flip * scale, 0, x0 + flip * scale / 2 - 0.5], [0, scale, y0 + scale / 2 - 0.5]], np.float64
        )
        warped = cv2.warpAffine(
            _tint(image, self._random), matrix, (SIDE, rows), flags=cv2.INTER_LINEAR, borderValue=(GREY,) * 3
        )
        moved, kept = _move(boxes, flip * scale, scale, (x0, y0), rows)
        return Picture(np.ascontiguousarray(warped[..., ::-1]), moved[kept], classes[kept])


def _move(
    boxes: Boxes, scale_x: float, scale_y: float, origin: tuple[float, float], rows: int
) -> tuple[Boxes, NDArray[np.bool_]]:
    x = np.sort(boxes[:, [0, 2]] * scale_x + origin[0], axis=1)
    y = boxes[:, [1, 3]] * scale_y + origin[1]
    moved = np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1).astype(np.float32)
    clipped = moved.clip(0, np.array([SIDE, rows, SIDE, rows], np.float32))
    kept = _areas(clipped) > VISIBLE * _areas(moved)
    return clipped, np.asarray(kept, np.bool_)


def _areas(boxes: Boxes) -> Boxes:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _tint(image: Image, random: np.random.Generator) -> Image:
    """Change brightness, contrast and white balance; now and then take the colour away."""
    if random.random() < 0.25:
        return image
    gain = random.uniform(0.65, 1.35) * random.uniform(0.88, 1.12, 3)
    offset = random.uniform(-20, 20)
    table = np.clip(np.arange(256)[:, None] * gain + offset, 0, 255).astype(np.uint8)
    tinted = np.asarray(cv2.LUT(image, table.reshape(256, 1, 3)), np.uint8)
    if random.random() < 0.1:
        tinted = np.asarray(cv2.cvtColor(cv2.cvtColor(tinted, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
    return tinted
