"""An engine: what is bright is an object of the model's first class."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.settings import Section
from stages.detector.engine import RawBoxes, check_batch
from stages.detector.yolo_nas.card import ModelCard, read_card


class BrightEngine(Section):
    """Settings of the engine."""

    kind: Literal["bright"] = "bright"
    threshold: int = Field(default=200, ge=1, le=255)

    def build(self, model: str, input_size: tuple[int, int] | None = None) -> "Bright":
        """Return the engine with a model's names and input size."""
        card = read_card(model)
        return Bright(replace(card, input_size=input_size or card.input_size), self.threshold)


class Bright:
    """Finds bright spots; see `stages.detector.engine.Engine`."""

    name = "bright"
    max_batch = in_flight = parallel = 1

    def __init__(self, card: ModelCard, threshold: int) -> None:
        self.card, self._threshold = card, threshold

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        """Look at images, BGR uint8 of the input's size; the boxes are in its pixels."""
        check_batch(images, self.card, self.max_batch)
        future: Future[list[RawBoxes]] = Future()
        future.set_result([self._spots(image) for image in images])
        return future

    def close(self) -> None:
        """Free nothing."""

    def _spots(self, image: NDArray[np.uint8]) -> RawBoxes:
        mask = (image.min(axis=2) >= self._threshold).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        found = [cv2.boundingRect(contour) for contour in contours]
        boxes = np.array([(x, y, x + width, y + height) for x, y, width, height in found], np.float32).reshape(-1, 4)
        scores = np.zeros((len(boxes), len(self.card.class_names)), np.float32)
        scores[:, 0] = 0.9
        return RawBoxes(boxes, scores)
