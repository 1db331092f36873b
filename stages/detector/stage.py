"""The detector: takes frames of any source from the work queue and says what is in them."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

import structlog

from pipeline import keys
from pipeline.broker import CHOSEN_BY_THE_BROKER, Broker, Delivery, Transaction
from pipeline.errors import EngineDiedError, EngineError, FrameExpiredError, FrameStoreError, MessageError
from pipeline.frame import Frame
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.messages import Detections, FrameMeta, decode, encode
from stages.detector.engine import Engine, RawBoxes
from stages.detector.finder import Finder

_IDLE_BLOCK_S: Final = 0.5
_BUSY_BLOCK_S: Final = 0.003
"""While the engine works, an arriving frame waits no longer than this for a free place in it."""
_TRIM_EVERY: Final = 64


_MOST_IN_A_ROW: Final = 8
"""Frames that an engine may fail at without a success in between."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When to give up."""

    max_deliveries: int
    """A frame that was handed out more often is reported as failed."""
    timeout_s: float
    """An engine that takes longer for a batch is dead."""


@dataclass(frozen=True, slots=True)
class _Flight:
    """A batch in the engine's hands."""

    deliveries: Sequence[Delivery]
    frames: Sequence[Frame]
    answer: Future[list[RawBoxes]]


class Detector:
    """Keeps the engine full as long as there are frames, and answers for every frame that it takes."""

    def __init__(
        self, broker: Broker, store: FrameStore, engine: Engine, finder: Finder, name: str, limits: Limits
    ) -> None:
        self._broker, self._store, self._engine, self._finder = broker, store, engine, finder
        self._queue = broker.group(keys.FRAMES, keys.DETECTORS, name)
        self._limits = limits
        self._flights: deque[_Flight] = deque()
        self._answered = 0
        self._worked = False
        self._failed_in_a_row = 0
        self._rewound: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Detect until told to stop; what the engine has begun is finished.

        Raises:
            EngineDiedError: the engine doesn't answer, or has begun to fail at everything: start this process again.
            EngineError: the engine has failed at everything from the first frame on.
        """
        while not stop.is_set():
            self.step()
        while self._flights:
            self._land(self._flights.popleft())

    def step(self) -> None:
        """Fill the engine with what is ready, and take one answer if there is one or no room is left."""
        room = self._engine.in_flight - len(self._flights)
        deliveries = self._queue.read(room * self._engine.max_batch, self._patience_s()) if room > 0 else []
        for first in range(0, len(deliveries), self._engine.max_batch):
            self._launch(deliveries[first : first + self._engine.max_batch])
        full = len(self._flights) >= self._engine.in_flight
        if self._flights and (full or self._flights[0].answer.done()):
            self._land(self._flights.popleft())

    def _patience_s(self) -> float:
        return _BUSY_BLOCK_S if self._flights else _IDLE_BLOCK_S

    def _launch(self, deliveries: Sequence[Delivery]) -> None:
        """Give a batch to the engine; one that a detector has died with goes alone, so that no other dies of it."""
        taken = [(delivery, frame) for delivery in deliveries if (frame := self._fetch(delivery)) is not None]
        if not taken:
            return
        suspect = any(delivery.deliveries > 1 for delivery, _ in taken)
        while suspect and self._flights:
            self._land(self._flights.popleft())
        frames = [frame for _, frame in taken]
        answer = self._engine.submit([self._finder.canvas(frame) for frame in frames])
        self._flights.append(_Flight([delivery for delivery, _ in taken], frames, answer))
        if suspect:
            self._land(self._flights.popleft())

    def _fetch(self, delivery: Delivery) -> Frame | None:
        """Return the frame of a work item, None if the item has been dealt with instead."""
        try:
            meta = decode(delivery.body)
            if not isinstance(meta, FrameMeta):
                raise MessageError(f"a {type(meta).__name__} is no work item")
        except MessageError as error:
            self._bury(delivery, str(error), None)
            return None
        if delivery.deliveries > self._limits.max_deliveries:
            self._bury(delivery, f"gave up after {delivery.deliveries - 1} detectors died with it", meta)
            return None
        try:
            return Frame(meta, self._store.get(meta.source, meta.epoch, meta.seq, "detect"))
        except FrameStoreError as error:
            self._let_go(delivery, meta, error)
            return None

    def _let_go(self, delivery: Delivery, meta: FrameMeta, error: FrameStoreError) -> None:
        """Forget an item without pixels whose frame will be announced anew; report it as failed if it will not.

        Announced anew is all of an epoch that is over. One that is not over is, if its pixels are gone: its decoder
        has died, and somebody cleaned up before it could come back.
        """
        ledger = Ledger(self._broker, meta.source)
        if ledger.read().epoch == meta.epoch:
            if not isinstance(error, FrameExpiredError):
                self._bury(delivery, str(error), meta)
                return
            self._ask_again(ledger, meta, str(error))
        with self._broker.transaction() as transaction:
            transaction.ack(keys.FRAMES, keys.DETECTORS, [delivery.id])

    def _ask_again(self, ledger: Ledger, meta: FrameMeta, reason: str) -> None:
        if self._rewound.get(meta.source) != meta.epoch:
            self._rewound[meta.source] = meta.epoch
            structlog.get_logger().warning("pixels gone, to be decoded again", source=meta.source, reason=reason)
            ledger.request_rewind()

    def _bury(self, delivery: Delivery, reason: str, meta: FrameMeta | None) -> None:
        """Move an item to the dead letters, and report its frame as failed, so that the order never stalls."""
        structlog.get_logger().error("dead letter", id=delivery.id, source=meta.source if meta else None, error=reason)
        with self._broker.transaction() as transaction:
            letter = {"stream": delivery.stream, "id": delivery.id, "reason": reason}
            transaction.publish(keys.DEAD_LETTERS, CHOSEN_BY_THE_BROKER, delivery.body, letter)
            if meta is not None:
                transaction.append(keys.RAW, encode(Detections.failed(meta, reason)))
            transaction.ack(keys.FRAMES, keys.DETECTORS, [delivery.id])

    def _land(self, flight: _Flight) -> None:
        """Say what was found in a batch; a batch that failed is tried again frame by frame."""
        try:
            raw = flight.answer.result(self._limits.timeout_s)
        except Exception as error:  # whatever a runtime raises: it costs the frame, not the process
            if isinstance(error, TimeoutError) and not flight.answer.done():
                seconds = f"{self._limits.timeout_s:g} s"
                raise EngineDiedError(f"no answer of {self._engine.name} within {seconds} (timeout_s)") from error
            self._failed(flight, error)
            return
        self._worked, self._failed_in_a_row = True, 0
        now_ns = time.time_ns()
        found = [self._finder.find(frame, boxes, now_ns) for frame, boxes in zip(flight.frames, raw, strict=True)]
        with self._broker.transaction() as transaction:
            self._answer(transaction, flight, found)
        self._trim(len(found))

    def _failed(self, flight: _Flight, error: Exception) -> None:
        structlog.get_logger().error("engine failed", frames=len(flight.frames), error=f"{error!s:.500}")
        if len(flight.frames) > 1:
            self._land_singly(flight)
            return
        self._bury(flight.deliveries[0], f"engine failed: {error!s:.500}", flight.frames[0].meta)
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= _MOST_IN_A_ROW:
            # After CUDA has failed once it may fail at everything; a new process has a new CUDA.
            kind = EngineDiedError if self._worked else EngineError
            raise kind(f"the engine failed at {_MOST_IN_A_ROW} frames in a row: {error!s:.500}") from error

    def _land_singly(self, flight: _Flight) -> None:
        for delivery, frame in zip(flight.deliveries, flight.frames, strict=True):
            self._land(_Flight([delivery], [frame], self._engine.submit([self._finder.canvas(frame)])))

    def _answer(self, transaction: Transaction, flight: _Flight, found: Sequence[Detections]) -> None:
        for detections in found:
            transaction.append(keys.RAW, encode(detections))
        transaction.ack(keys.FRAMES, keys.DETECTORS, [delivery.id for delivery in flight.deliveries])

    def _trim(self, answered: int) -> None:
        self._answered += answered
        if self._answered >= _TRIM_EVERY:
            self._broker.trim_acknowledged(keys.FRAMES)
            self._answered = 0
