"""An engine that reads the number in each picture and answers with it: tests see which pixels an answer is of.

The number comes back as the sizes of boxes, which say the same after they were restored to the original frame,
clipped, rounded and sorted: the first box is `_RULER` input pixels long and wide, each of the others half a byte more
than `_LEAST` each way. They don't touch, so that none suppresses another; and the last byte is a checksum.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline import strip
from pipeline.errors import EngineError
from pipeline.messages import Detections
from pipeline.settings import Section
from stages.detector.engine import RawBoxes, check_batch
from stages.detector.yolo_nas.card import ModelCard, read_card

_RULER: Final = 24
_LEAST: Final = 8
_PITCH: Final = 25
"""From box to box, input pixels."""
_BOXES: Final = 2 + strip.BITS // 8
_BEST: Final = 0.99
_BETWEEN: Final = 0.01
"""From the confidence of a box to that of the next: it tells which is which."""
_TOLERANCE: Final = 0.3
"""Of a size, in input pixels."""


class ProbeEngine(Section):
    """An engine that finds the number in the picture, and takes as long over it as it is told to."""

    kind: Literal["probe"] = "probe"
    cost_ms: float = Field(default=0, ge=0, le=60_000)
    """That each batch takes."""
    cost_per_frame_ms: float = Field(default=0, ge=0, le=60_000)
    """And each picture of it besides."""
    max_batch: int = Field(default=8, ge=1)
    in_flight: int = Field(default=2, ge=1)
    """Batches that it takes at once; it works on one after the other."""

    def build(self, model: str, input_size: tuple[int, int] | None = None) -> "Probe":
        """Return an engine with the card of a model by name; ``input_size`` (height, width) replaces that of the card.

        Raises:
            ModelError: There is no such model, or its file is damaged.
        """
        card = read_card(model)
        return Probe(replace(card, input_size=input_size or card.input_size), self)


class Probe:
    """Reads the strip of each canvas; a picture without one has no objects."""

    name = "probe"
    parallel = 1

    def __init__(self, card: ModelCard, settings: ProbeEngine) -> None:
        self._card, self._settings = card, settings
        self._free_s = 0.0
        """When the last batch of all will be done, by the monotonic clock."""
        self._worker = ThreadPoolExecutor(1, "probe")
        self._closed = False

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def max_batch(self) -> int:
        return self._settings.max_batch

    @property
    def in_flight(self) -> int:
        return self._settings.in_flight

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        if self._closed:
            raise EngineError("the engine is closed")
        check_batch(images, self._card, self._settings.max_batch)
        cost_ms = self._settings.cost_ms + len(images) * self._settings.cost_per_frame_ms
        # Counted from the end of the batch before, so that a busy engine does exactly what it was told to.
        self._free_s = max(self._free_s, time.monotonic()) + cost_ms / 1000
        return self._worker.submit(self._answer, list(images), self._free_s)

    def close(self) -> None:
        self._closed = True
        self._worker.shutdown()

    def _answer(self, images: Sequence[NDArray[np.uint8]], ready_s: float) -> list[RawBoxes]:
        found = [_boxes(image, len(self._card.class_names)) for image in images]
        time.sleep(max(0.0, ready_s - time.monotonic()))
        return found


def number_of(detections: Detections) -> int | None:
    """Return the number (`pipeline.strip`) in the pixels that a probe saw; None: it saw none, or was no probe."""
    if len(detections) != _BOXES:
        return None
    order = np.argsort(-detections.confidence)
    expected = _BEST - _BETWEEN * np.arange(_BOXES)
    if np.abs(detections.confidence[order] - expected).max() > _BETWEEN / 4:
        return None
    xyxy = detections.xyxy[order].astype(np.float64)
    sizes = xyxy[:, 2:] - xyxy[:, :2]
    if sizes.min() <= 0:
        return None
    exact = sizes[1:] / sizes[0] * _RULER - _LEAST
    halves = np.rint(exact).astype(np.int64)
    if np.abs(exact - halves).max() > _TOLERANCE or halves.min() < 0 or halves.max() > 15:
        return None
    *numbered, check = (high << 4 | low for high, low in halves.tolist())
    number = int.from_bytes(bytes(numbered), "big")
    return number if check == strip.checksum(number) & 0xFF else None


def _boxes(canvas: NDArray[np.uint8], classes: int) -> RawBoxes:
    number = strip.read(canvas)
    place = strip.picture_on(canvas)
    if number is None or place is None:
        return RawBoxes(np.zeros((0, 4), np.float32), np.zeros((0, classes), np.float32))
    scores = np.zeros((_BOXES, classes), np.float32)
    scores[:, 0] = _BEST - _BETWEEN * np.arange(_BOXES)
    corners = _corners(*place)
    return RawBoxes(np.hstack([corners, corners + _sizes(number)]).astype(np.float32), scores)


def _sizes(number: int) -> NDArray[np.int64]:
    """Return width and height of each box, shape (`_BOXES`, 2)."""
    content = [*number.to_bytes(strip.BITS // 8, "big"), strip.checksum(number) & 0xFF]
    return np.array([(_RULER, _RULER), *((_LEAST + (byte >> 4), _LEAST + (byte & 15)) for byte in content)])


def _corners(left: int, top: int, right: int, bottom: int) -> NDArray[np.int64]:
    """Return where each box begins, shape (`_BOXES`, 2): side by side in the middle of the picture."""
    columns = min(_BOXES, max(1, (right - left) // _PITCH))
    rows = -(-_BOXES // columns)
    first = np.array([left + (right - left - columns * _PITCH) // 2, top + (bottom - top - rows * _PITCH) // 2])
    row, column = np.divmod(np.arange(_BOXES), columns)
    corners: NDArray[np.int64] = first + np.stack([column, row], axis=1) * _PITCH
    return corners
