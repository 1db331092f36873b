"""Boxes without annotators: what differs from the empty scene of a static camera is an object."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Boxes = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scene:
    """One clip of a static camera, with what tells its objects from its background."""

    file: str
    class_id: int
    threshold: int
    """Difference to the plate, in grey levels, above which a pixel belongs to an object."""
    shadow: int
    """The same for a pixel darker than the plate in every channel: below it, it may be a shadow."""
    min_area: int
    """Smallest object, in pixels of the clip."""
    step: int
    """Every how many frames one is looked at: people who stand still are all alike."""
    empty_frame: int | None
    """A frame that shows nobody; None where the median of the whole clip is empty."""
    cut_area: int
    """A frame whose object is cut by a border and smaller than this (a head, a leg) teaches nothing reliable."""


CLASS_NAMES = ("person", "car")
PEOPLE = Scene("one-by-one-person-detection.mp4", 0, 34, 55, 3500, 4, 40, cut_area=20_000)
CARS = Scene("car-detection.mp4", 1, 30, 65, 2500, 1, None, cut_area=0)


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A frame and its objects."""

    seq: int
    image: Image
    """BGR uint8, shape (H, W, 3)."""
    boxes: Boxes
    """xyxy in pixels, shape (N, 4)."""
    class_id: int
    """Of all the objects."""
    masks: tuple[Mask, ...]
    """One filled outline per box, 0 or 255, shape (H, W)."""
    usable: bool
    """False where the boxes are not to be trusted for training."""


def read_clip(path: Path) -> list[Image]:
    """Return all frames of a video file.

    Raises:
        FileNotFoundError: There is no such file, or OpenCV reads no frame from it.
    """
    capture = cv2.VideoCapture(str(path))
    frames: list[Image] = []
    while (read := capture.read())[0]:
        frames.append(np.asarray(read[1], dtype=np.uint8))
    capture.release()
    if not frames:
        raise FileNotFoundError(path)
    return frames


def clean_plate(frames: Sequence[Image], empty_frame: int | None, at_most: int = 120) -> Image:
    """Return the scene without its objects: the median of the frames, or of those that look like ``empty_frame``."""
    chosen = list(frames) if empty_frame is None else _alike(frames, frames[empty_frame])
    step = -(-len(chosen) // at_most)
    return np.asarray(np.median(np.stack(chosen[::step]), axis=0), np.uint8)


def _alike(frames: Sequence[Image], empty: Image) -> list[Image]:
    return [frame for frame in frames if float(np.mean(_differs(frame, empty, 30, 30))) < 2.5]


def _differs(frame: Image, plate: Image, threshold: int, shadow: int) -> Mask:
    """Return 255 where the frame differs from the plate once the camera's change of exposure is taken out."""
    gain = np.median((plate[::4, ::4] + 1.0) / (frame[::4, ::4] + 1.0), axis=(0, 1))
    levelled = np.clip(frame * gain, 0, 255).astype(np.int16)
    signed = levelled - plate
    largest = np.abs(signed).max(axis=2)
    darker = signed.max(axis=2) < 0
    return np.where(largest > np.where(darker, shadow, threshold), 255, 0).astype(np.uint8)


def objects(frame: Image, plate: Image, scene: Scene) -> tuple[Boxes, tuple[Mask, ...]]:
    """Return the boxes (N, 4) xyxy and the outlines of what differs from the plate, from left to right."""
    binary = _differs(frame, plate, scene.threshold, scene.shadow)
    opened = cv2.morphologyEx(binary, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((21, 21), np.uint8))
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    large = [contour for contour in contours if cv2.contourArea(contour) > scene.min_area]
    large.sort(key=lambda contour: cv2.boundingRect(contour)[0])
    boxes = [_xyxy(cv2.boundingRect(contour)) for contour in large]
    masks = tuple(
        np.asarray(cv2.drawContours(np.zeros_like(closed), [contour], -1, 255, cv2.FILLED), np.uint8)
        for contour in large
    )
    return np.array(boxes, np.float32).reshape(-1, 4), masks


def _xyxy(corner_and_size: Sequence[int]) -> tuple[int, int, int, int]:
    x, y, width, height = corner_and_size
    return x, y, x + width, y + height


def label(frames: Sequence[Image], plate: Image, scene: Scene) -> list[Labelled]:
    """Return every ``step``-th frame with its objects, in order."""
    labelled = []
    for seq in range(0, len(frames), scene.step):
        frame = frames[seq]
        boxes, masks = objects(frame, plate, scene)
        usable = not np.any(_cut(boxes, frame) & (_area(boxes) < scene.cut_area))
        labelled.append(Labelled(seq, frame, boxes, scene.class_id, masks, bool(usable)))
    return labelled


def _cut(boxes: Boxes, frame: Image) -> NDArray[np.bool_]:
    height, width = frame.shape[:2]
    return np.asarray((boxes[:, :2] <= 2).any(1) | (boxes[:, 2:] >= (width - 2, height - 2)).any(1), np.bool_)


def _area(boxes: Boxes) -> Boxes:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), np.float32)


def split(labelled: Sequence[Labelled], total: int) -> tuple[list[Labelled], list[Labelled]]:
    """Return the usable frames of the first four fifths of a clip of ``total`` frames, and those of the last fifth."""
    border = total * 4 // 5
    usable = [frame for frame in labelled if frame.usable]
    return [frame for frame in usable if frame.seq < border], [frame for frame in usable if frame.seq >= border]
