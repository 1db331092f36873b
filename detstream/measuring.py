"""How fast an engine is: milliseconds of a batch, and images a second while it is kept full."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.detector.engine import Engine, RawBoxes

_CANVASES: Final = 8
_GRAIN: Final = 32
_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured of one engine with one size of batch, all rounds together."""

    seconds: float = 10.0
    """Half of it for latency, half for images a second."""
    images: int | None = None
    """As many for each of the two, instead of seconds."""
    rounds: int = 5

    def share(self) -> "Share":
        """Return what is one round's, for latency or for images a second."""
        if self.images is None:
            return Share(seconds=self.seconds / self.rounds / 2)
        return Share(images=-(-self.images // self.rounds))


@dataclass(frozen=True, slots=True)
class Share:
    """When enough is measured: after so many images, if they are given, or else seconds; never before one batch."""

    seconds: float = 0.0
    images: int | None = None

    def done(self, images: int, begun_s: float) -> bool:
        """Return whether it is enough."""
        return time.perf_counter() - begun_s >= self.seconds if self.images is None else images >= self.images


@dataclass(frozen=True, slots=True)
class Round:
    """What was measured in one turn of an engine."""

    ms: tuple[float, ...]
    """Of each batch, divided by its images: from its first submit to its last result, alone in the engine."""
    images_s: float
    """Images a second with as many submits outstanding as the engine takes, the filling and the draining included."""


def measured(engine: Engine, batch: int, share: Share) -> Round:
    """Return one turn of an engine with batches of one size, after a batch that isn't counted.

    A batch is one submit; where the engine takes fewer images at once, it is as many submits as it needs, outstanding
    at the same time as far as the engine allows. Pictures are ready in memory at the size of the network's input.

    Raises:
        EngineError: the engine failed.
    """
    canvases = _canvases(engine.card.input_size)
    return Round(tuple(_latencies(engine, canvases, batch, share)), _images_s(engine, canvases, batch, share))


def submits(engine: Engine, batch: int) -> int:
    """Return as how many submits a batch goes in."""
    return -(-batch // engine.max_batch)


def _latencies(engine: Engine, canvases: Sequence[NDArray[np.uint8]], batch: int, share: Share) -> Iterator[float]:
    images = list(islice(cycle(canvases), batch))
    _run(engine, images)
    begun_s, done = time.perf_counter(), 0
    while not done or not share.done(done, begun_s):
        submitted_s = time.perf_counter()
        _run(engine, images)
        yield (time.perf_counter() - submitted_s) * 1e3 / batch
        done += batch


def _run(engine: Engine, images: Sequence[NDArray[np.uint8]]) -> None:
    flights: deque[Future[list[RawBoxes]]] = deque()
    for part in _parts(engine, images):
        if len(flights) == engine.in_flight:
            flights.popleft().result()
        flights.append(engine.submit(part))
    for flight in flights:
        flight.result()


def _images_s(engine: Engine, canvases: Sequence[NDArray[np.uint8]], batch: int, share: Share) -> float:
    parts = cycle(_parts(engine, list(islice(cycle(canvases), batch))))
    flights: deque[Future[list[RawBoxes]]] = deque()
    # So many at a time as are run at once, lest at the end one runs beside idle cores.
    begun_s, done = time.perf_counter(), 0
    while not done or not share.done(done, begun_s):
        for part in islice(parts, engine.parallel):
            if len(flights) == engine.in_flight:
                flights.popleft().result()
            flights.append(engine.submit(part))
            done += len(part)
    for flight in flights:
        flight.result()
    return done / (time.perf_counter() - begun_s)


def _parts(engine: Engine, images: Sequence[NDArray[np.uint8]]) -> list[Sequence[NDArray[np.uint8]]]:
    return [images[i : i + engine.max_batch] for i in range(0, len(images), engine.max_batch)]


def _canvases(input_size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Return pictures, BGR uint8 (H, W, 3), of patches and noise: one colour alone would be faster than photographs."""
    random = np.random.default_rng(_SEED)
    height, width = input_size
    coarse = random.integers(0, 192, (_CANVASES, height // _GRAIN, width // _GRAIN, 3), np.uint8)
    patches = coarse.repeat(_GRAIN, axis=1).repeat(_GRAIN, axis=2)
    return list(patches + random.integers(0, 64, patches.shape, np.uint8))
