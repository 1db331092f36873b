"""What runs a network."""

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import EngineError
from stages.detector.yolo_nas.card import ModelCard


@dataclass(frozen=True, slots=True, eq=False)
class RawBoxes:
    """What the network says of one image, for every anchor."""

    boxes: NDArray[np.float32]
    """Shape (A, 4), xyxy, pixels of the network's input, not clipped."""
    scores: NDArray[np.float32]
    """Shape (A, C), in [0, 1]."""


class Engine(Protocol):
    """Runs a network on batches of images, in the background; called from one thread."""

    @property
    def name(self) -> str:
        """What runs, for people: ``openvino``, ``torch cpu``."""

    @property
    def card(self) -> ModelCard:
        """Class names, input size and default thresholds of the network."""

    @property
    def max_batch(self) -> int:
        """Most images of one ``submit``."""

    @property
    def in_flight(self) -> int:
        """How many submits may be outstanding at once."""

    @property
    def parallel(self) -> int:
        """How many of these are worked on at once; the others wait until one is done."""

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        """Start on a batch of 0 to ``max_batch`` images, BGR uint8 (H, W, 3) of the input size.

        The images must not change before the future is done; it gives one ``RawBoxes`` per image, in their order.

        Raises:
            EngineError: Too many images, or one of another size, or the engine is closed; at once, not by the future.
        """

    def close(self) -> None:
        """Wait for what was submitted and free the network; again is harmless."""


@runtime_checkable
class Narrowable(Protocol):
    """An engine for which it costs time to hand out what nobody will look at."""

    def narrowed(self, top_k: int, classes: Collection[int] | None) -> Engine:
        """Return this engine, handing out only those anchors among which the best ``top_k`` scores are.

        Scores are those of ``classes`` (None: all), every class of an anchor by itself; of equal ones, those of the
        first anchors. The anchors stay in their order. Closing either engine closes both.
        """


def narrowed(engine: Engine, top_k: int, classes: Collection[int] | None) -> Engine:
    """Return an engine that hands out no more than is needed for the best ``top_k`` scores, if it can save by that."""
    return engine.narrowed(top_k, classes) if isinstance(engine, Narrowable) else engine


def check_batch(images: Sequence[NDArray[np.uint8]], card: ModelCard, max_batch: int) -> None:
    """Check the input of ``Engine.submit``.

    Raises:
        EngineError: Too many images, or one of another size or type.
    """
    if len(images) > max_batch:
        raise EngineError(f"a batch of {len(images)} images is more than this engine's {max_batch}")
    wanted = (*card.input_size, 3)
    for image in images:
        if image.shape != wanted or image.dtype != np.uint8:
            raise EngineError(f"the network takes uint8 images of shape {wanted}, not {image.dtype} {image.shape}")
