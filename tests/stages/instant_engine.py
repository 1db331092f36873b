"""An engine that needs no network: it sees the colour of a canvas, and answers when it is asked."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Detections
from stages.detector.engine import RawBoxes, check_batch
from stages.detector.finder import Finder
from stages.detector.nms import Postprocess
from stages.detector.yolo_nas.card import ModelCard

CARD: Final = ModelCard("n", ("car", "bus", "truck"), (32, 32))
_BORDER: Final = 2
_BOX: Final = 9


class Killed(BaseException):
    """As SIGKILL: nobody may catch it."""


class Asked(Future[list[RawBoxes]]):
    """Is done at once, or the second time that somebody asks."""

    def __init__(self, answer: Callable[[], list[RawBoxes]], *, at_once: bool, on_result: Callable[[], None]) -> None:
        super().__init__()
        self._answer, self._done, self._on_result = answer, at_once, on_result

    def done(self) -> bool:
        before, self._done = self._done, True
        return before

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if not self.done():
            raise TimeoutError
        return None

    def result(self, timeout: float | None = None) -> list[RawBoxes]:
        self._on_result()
        return self._answer()


class InstantEngine:
    """Finds a box whose place says the colour; fails, or kills, on the colours that it is told."""

    name = "instant"
    card = CARD

    def __init__(
        self,
        max_batch: int = 4,
        in_flight: int = 1,
        *,
        poison: Collection[int] = (),
        deadly: Collection[int] = (),
        at_once: bool = True,
    ) -> None:
        self.max_batch, self.in_flight, self.parallel = max_batch, in_flight, in_flight
        self.batches: list[list[int]] = []
        self.outstanding = self.most_outstanding = 0
        self._poison, self._deadly, self._at_once = poison, deadly, at_once

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        check_batch(images, CARD, self.max_batch)
        colours = [int(image[16, 16, 0]) for image in images]
        self.batches.append(colours)
        self.outstanding += 1
        self.most_outstanding = max(self.most_outstanding, self.outstanding)
        return Asked(lambda: self._answer(colours), at_once=self._at_once, on_result=self._landed)

    def close(self) -> None:
        pass

    def _landed(self) -> None:
        self.outstanding -= 1

    def _answer(self, colours: list[int]) -> list[RawBoxes]:
        if killing := [colour for colour in colours if colour in self._deadly]:
            raise Killed(killing)
        if failing := [colour for colour in colours if colour in self._poison]:
            raise RuntimeError(f"no answer for {failing}")
        return [_boxes(colour) for colour in colours]


def finder() -> Finder:
    return Finder(CARD, Postprocess(0.25, 0.7))


def colour_seen(found: Detections) -> int:
    """Return the colour of the picture in which the only detection was found."""
    (box,) = found.xyxy
    return int(box[0] - 1 + 10 * (box[1] - 1))


def _boxes(colour: int) -> RawBoxes:
    """Return the answer for a colour below 100; a frame of 28 pixels lies in the middle of the canvas of 32."""
    left, top = 1 + colour % 10 + _BORDER, 1 + colour // 10 % 10 + _BORDER
    boxes = np.array([[left, top, left + _BOX, top + _BOX], [0, 0, 1, 1]], np.float32)
    return RawBoxes(boxes, np.array([[0.9, 0.1, 0.0], [0.0, 0.0, 0.0]], np.float32))
