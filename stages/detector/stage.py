"""The detector: takes frames of any source from the work queues and says what is in them."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from pipeline import keys
from pipeline.answers import answer
from pipeline.broker import Broker, Delivery, Transaction
from pipeline.errors import EngineDiedError, EngineError
from pipeline.frame_store import FrameStore
from pipeline.messages import Detections
from stages.detector.engine import Engine
from stages.detector.finder import Finder
from stages.detector.flights import Flight, Flights
from stages.detector.intake import Intake

_IDLE_BLOCK_S: Final = 0.5
_POLLS_A_BATCH: Final = 20
"""How often to ask for items while the engine works and could take more; asking costs 0.15 ms."""
_LEAST_POLL_S: Final = 0.001
_LONGEST_POLL_S: Final = 0.01
_READ_S: Final = 0.001
"""About what it takes to ask for items."""
_LONGEST_WAIT_S: Final = 0.5
_FIRST_LEAD_S: Final = 0.003
_LEAD_SHARE: Final = 0.25
_TRIM_EVERY: Final = 64
_MOST_IN_A_ROW: Final = 8
"""Frames that an engine may fail at without a success in between."""
_BOTH: Final = (keys.LIVE, keys.FRAMES)


@dataclass(frozen=True, slots=True)
class Limits:
    """When to give up."""

    max_deliveries: int
    """A frame that was handed out more often is reported as failed."""
    timeout_s: float
    """An engine that takes longer for a batch is dead."""


class Detector:
    """Keeps the engine full as long as there are frames, and answers for every frame that it takes.

    A recording's frames are given to the engine as soon as it takes more. A camera's frame is chosen when the engine
    would begin with it at once, or a moment before: so it is the newest.
    """

    def __init__(
        self, broker: Broker, store: FrameStore, engine: Engine, finder: Finder, name: str, limits: Limits
    ) -> None:
        self._broker, self._engine, self._finder = broker, engine, finder
        self._queue = broker.group(_BOTH, keys.DETECTORS, name)
        self._intake = Intake(broker, store, limits.max_deliveries)
        self._timeout_s = limits.timeout_s
        self._flights = Flights(engine.parallel, engine.in_flight)
        self._waiting: deque[Delivery] = deque()
        """Taken from the queues, but not yet looked at: no more than a batch."""
        self._lead_s = _FIRST_LEAD_S
        """How long it takes from asking for items to giving their frames to the engine."""
        self._answered = 0
        self._worked = False
        self._failed_in_a_row = 0

    def run(self, stop: threading.Event) -> None:
        """Detect until told to stop; what the engine has begun is finished.

        Raises:
            EngineDiedError: the engine doesn't answer, or has begun to fail at everything: start this process again.
            EngineError: the engine has failed at everything from the first frame on.
        """
        while not stop.is_set():
            self.step()
        while self._flights:
            self._land(self._flights.pop())

    def step(self) -> None:
        """Fill the engine with what is ready, and take one answer, if there is one or nothing else is to be done."""
        self._fill()
        if not self._flights:
            return
        if not self._flights.oldest.landed(self._spare_s()):
            self._check_alive(self._flights.oldest)
        else:
            self._land(self._flights.pop())

    def _fill(self) -> None:
        soon = self._flights.room > 0 and self._flights.free_in_s() <= self._lead_s
        places = self._flights.idle or int(soon) or self._flights.room
        deliveries = self._taken(places * self._engine.max_batch, soon=soon) if places else []
        began_s = time.monotonic()
        for first in range(0, len(deliveries), self._engine.max_batch):
            self._launch(deliveries[first : first + self._engine.max_batch])
        if soon and deliveries:
            took_s = time.monotonic() - began_s + _READ_S
            self._lead_s += _LEAD_SHARE * (took_s - self._lead_s)

    def _taken(self, count: int, *, soon: bool) -> list[Delivery]:
        """Return up to `count` items; those of cameras only if their frames are to be chosen soon."""
        if not self._waiting:
            streams = _BOTH if soon else (keys.FRAMES,)
            # A broker that is asked to wait for a millisecond may take 100: so it is asked to wait only if all is idle.
            patience_s = 0.0 if self._flights else _IDLE_BLOCK_S
            self._waiting.extend(self._queue.read(count, patience_s, streams))
        elif not soon and self._waiting[0].stream == keys.LIVE:
            return []
        return [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]

    def _spare_s(self) -> float:
        """Return how long to wait for the oldest answer: until a camera's frame would have to be chosen."""
        if self._waiting:
            return 0.0
        if not self._flights.room:
            return _LONGEST_WAIT_S
        poll_s = min(max(self._flights.usual_s / _POLLS_A_BATCH, _LEAST_POLL_S), _LONGEST_POLL_S)
        if self._flights.idle:
            return poll_s
        return min(max(self._flights.free_in_s() - self._lead_s, poll_s), _LONGEST_WAIT_S)

    def _launch(self, deliveries: Sequence[Delivery]) -> None:
        """Give a batch to the engine; one that a detector has died with goes alone, so that no other dies of it."""
        taken = self._intake.frames(deliveries)
        if not taken:
            return
        suspect = any(delivery.deliveries > 1 for delivery, _ in taken)
        while suspect and self._flights:
            self._land(self._flights.pop())
        frames = [frame for _, frame in taken]
        answer = self._engine.submit([self._finder.canvas(frame) for frame in frames])
        self._flights.add(Flight([delivery for delivery, _ in taken], frames, answer))
        if suspect:
            self._land(self._flights.pop())

    def _land(self, flight: Flight) -> None:
        """Say what was found in a batch; a batch that failed is tried again frame by frame."""
        try:
            raw = flight.answer.result(max(flight.submitted_s + self._timeout_s - time.monotonic(), 0.0))
        except Exception as error:  # whatever a runtime raises: it costs the frame, not the process
            self._check_alive(flight, error)
            self._failed(flight, error)
            return
        begun_ns, now_ns = self._clocks(flight)
        self._flights.note(flight)
        self._worked, self._failed_in_a_row = True, 0
        found = [
            replace(self._finder.find(frame, boxes, now_ns), begun_ns=begun_ns)
            for frame, boxes in zip(flight.frames, raw, strict=True)
        ]
        with self._broker.transaction() as transaction:
            self._answer(transaction, flight, found)
        self._trim(len(found))

    def _clocks(self, flight: Flight) -> tuple[int, int]:
        """Return when the engine began with a batch and when it answered, by the wall clock."""
        now_ns, now_s = time.time_ns(), time.monotonic()
        began_s, landed_s = self._flights.began_s(flight), flight.landed_s or now_s
        return now_ns - int((now_s - began_s) * 1e9), now_ns - int((now_s - landed_s) * 1e9)

    def _check_alive(self, flight: Flight, error: Exception | None = None) -> None:
        """Raise EngineDiedError if an answer is overdue."""
        if not flight.answer.done() and time.monotonic() - flight.submitted_s >= self._timeout_s:
            seconds = f"{self._timeout_s:g} s"
            raise EngineDiedError(f"no answer of {self._engine.name} within {seconds} (timeout_s)") from error

    def _failed(self, flight: Flight, error: Exception) -> None:
        structlog.get_logger().error("engine failed", frames=len(flight.frames), error=f"{error!s:.500}")
        if len(flight.frames) > 1:
            self._land_singly(flight)
            return
        self._intake.bury(flight.deliveries[0], f"engine failed: {error!s:.500}", flight.frames[0].meta)
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= _MOST_IN_A_ROW:
            # After CUDA has failed once it may fail at everything; a new process has a new CUDA.
            kind = EngineDiedError if self._worked else EngineError
            raise kind(f"the engine failed at {_MOST_IN_A_ROW} frames in a row: {error!s:.500}") from error

    def _land_singly(self, flight: Flight) -> None:
        for delivery, frame in zip(flight.deliveries, flight.frames, strict=True):
            self._land(Flight([delivery], [frame], self._engine.submit([self._finder.canvas(frame)])))

    def _answer(self, transaction: Transaction, flight: Flight, found: Sequence[Detections]) -> None:
        for detections in found:
            answer(transaction, detections, live=detections.frame.previous is not None)
        for stream in _BOTH:
            ids = [delivery.id for delivery in flight.deliveries if delivery.stream == stream]
            transaction.ack(stream, keys.DETECTORS, ids)

    def _trim(self, answered: int) -> None:
        self._answered += answered
        if self._answered >= _TRIM_EVERY:
            for stream in _BOTH:
                self._broker.trim_acknowledged(stream)
            self._answered = 0
