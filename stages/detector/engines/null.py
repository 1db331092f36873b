"""No inference at all: what is left is the cost of everything else."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import EngineError
from pipeline.settings import Section
from stages.detector.engine import RawBoxes, check_batch
from stages.detector.yolo_nas.card import ModelCard, read_card
from stages.detector.yolo_nas.layouts import STRIDES

_SCORE: Final = 0.9
_COLUMNS: Final = 4


class NullEngine(Section):
    """An engine that finds the same objects in every image, for measuring the rest."""

    kind: Literal["null"] = "null"
    objects: int = Field(default=12, ge=0, le=_COLUMNS * _COLUMNS)
    """How many objects are in every image."""
    max_batch: int = Field(default=8, ge=1)

    def build(self, model: str, input_size: tuple[int, int] | None = None) -> "NullInference":
        """Return an engine with the card of a model by name; ``input_size`` (height, width) replaces that of the card.

        Raises:
            ModelError: There is no such model, or its file is damaged.
        """
        card = read_card(model)
        return NullInference(replace(card, input_size=input_size or card.input_size), self.objects, self.max_batch)


class NullInference:
    """Finds objects on a grid, at once; outputs are as large as a network's."""

    name = "null"
    in_flight = parallel = 1

    def __init__(self, card: ModelCard, objects: int, max_batch: int) -> None:
        self._card = card
        self._found = _grid(card, objects)
        self._max_batch = max_batch
        self._closed = False

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def max_batch(self) -> int:
        return self._max_batch

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        if self._closed:
            raise EngineError("the engine is closed")
        check_batch(images, self._card, self._max_batch)
        future: Future[list[RawBoxes]] = Future()
        future.set_result([self._found for _ in images])
        return future

    def close(self) -> None:
        self._closed = True


def _grid(card: ModelCard, objects: int) -> RawBoxes:
    """Return boxes in the cells of a 4 x 4 grid, half as large as a cell, and nothing at the other anchors."""
    height, width = card.input_size
    anchors = sum((height // stride) * (width // stride) for stride in STRIDES)
    boxes = np.zeros((max(anchors, objects), 4), np.float32)
    scores = np.zeros((len(boxes), len(card.class_names)), np.float32)
    cell = np.array([width, height], np.float32) / _COLUMNS
    for i in range(objects):
        centre = (np.array([i % _COLUMNS, i // _COLUMNS], np.float32) + 0.5) * cell
        boxes[i] = [*(centre - cell / 4), *(centre + cell / 4)]
        scores[i, i % scores.shape[1]] = _SCORE
    boxes.flags.writeable = scores.flags.writeable = False
    return RawBoxes(boxes, scores)
