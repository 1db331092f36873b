"""Pictures through the engine, which is kept full, and out in their order."""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from detstream.pictures import Picture
from detstream.result import Result
from pipeline.errors import SourceError
from pipeline.frame import Frame
from pipeline.messages import Detections
from stages.detector.engine import Engine, RawBoxes
from stages.detector.finder import Finder

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Flight:
    """A batch in the engine's hands."""

    pictures: Sequence[Picture]
    frames: Sequence[Frame]
    """Of those that have one."""
    answer: Future[list[RawBoxes]]
    preprocess_ms: float
    submitted_s: float
    answered_s: float | None = field(default=None)

    def note(self, _answer: object) -> None:
        """Note the time of the answer."""
        self.answered_s = time.perf_counter()


class Flow:
    """Looks at pictures with one engine and one set of thresholds."""

    def __init__(self, engine: Engine, finder: Finder, names: Mapping[int, str] | None = None) -> None:
        """`names` of the classes; the model's own if not given."""
        self._engine, self._finder = engine, finder
        self._names = names or dict(enumerate(engine.card.class_names))

    def results(self, pictures: Iterable[Picture]) -> Generator[Result]:
        """Yield one result per picture, in their order; no more are in memory than the engine has in flight.

        Raises:
            EngineError: the engine failed.
            SourceError: as of the pictures, after the results of those before it.
        """
        flights: deque[_Flight] = deque()
        failure: SourceError | None = None
        try:
            try:
                for batch in _batches(pictures, self._engine.max_batch):
                    while flights and (len(flights) >= self._engine.in_flight or flights[0].answer.done()):
                        yield from self._landed(flights.popleft())
                    flights.append(self._launched(batch))
            except SourceError as error:
                failure = error  # what came before it comes out first
            while flights:
                yield from self._landed(flights.popleft())
        finally:
            # Whoever stops listening may close the engine next.
            for flight in flights:
                with suppress(Exception):
                    flight.answer.result()
        if failure:
            raise failure

    def _launched(self, batch: Sequence[Picture]) -> _Flight:
        began_s = time.perf_counter()
        frames = [Frame(picture.meta, picture.image) for picture in batch if picture.image is not None]
        canvases = [self._finder.canvas(frame) for frame in frames]
        submitted_s = time.perf_counter()
        preprocess_ms = (submitted_s - began_s) * 1e3 / max(len(frames), 1)
        flight = _Flight(batch, frames, self._engine.submit(canvases), preprocess_ms, submitted_s)
        flight.answer.add_done_callback(flight.note)
        return flight

    def _landed(self, flight: _Flight) -> Iterator[Result]:
        raw = iter(flight.answer.result())
        answered_s = flight.answered_s or time.perf_counter()  # the note is made just after the answer
        inference_ms = (answered_s - flight.submitted_s) * 1e3 / max(len(flight.frames), 1)
        frames = iter(flight.frames)
        for picture in flight.pictures:
            if picture.image is None:
                failed = Detections.failed(picture.meta, picture.error or "no picture")
                yield Result(picture, failed, self._names, {})
                continue
            began_s = time.perf_counter()
            found = self._finder.find(next(frames), next(raw), time.time_ns())
            postprocess_ms = (time.perf_counter() - began_s) * 1e3
            speed = {"preprocess": flight.preprocess_ms, "inference": inference_ms, "postprocess": postprocess_ms}
            yield Result(picture, found, self._names, speed)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    try:
        for item in items:
            batch.append(item)
            if len(batch) == size:
                yield batch
                batch = []
    except SourceError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
