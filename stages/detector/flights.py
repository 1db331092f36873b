"""Batches in the engine's hands, and when there will be a place for the next one."""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from pipeline.broker import Delivery
from pipeline.frame import Frame
from stages.detector.engine import RawBoxes

_SHARE: Final = 0.25
"""Of the newest duration in the usual one."""


@dataclass(slots=True, eq=False)
class Flight:
    """One batch."""

    deliveries: Sequence[Delivery]
    frames: Sequence[Frame]
    answer: Future[list[RawBoxes]]
    submitted_s: float = field(default_factory=lambda: time.monotonic())
    landed_s: float | None = None

    def __post_init__(self) -> None:
        self.answer.add_done_callback(self._note)

    def _note(self, _: Future[list[RawBoxes]]) -> None:
        self.landed_s = time.monotonic()

    def landed(self, patience_s: float = 0.0) -> bool:
        """Return whether there is an answer, or an error, within the time."""
        if patience_s <= 0:
            return self.answer.done()
        try:
            self.answer.exception(patience_s)
        except TimeoutError:
            return False
        return True


class Flights:
    """What the engine works on, the oldest first."""

    def __init__(self, parallel: int, in_flight: int) -> None:
        """The engine takes `in_flight` batches, and works on `parallel` of them at once."""
        self._parallel, self._most = parallel, max(in_flight, parallel)
        self._flights: deque[Flight] = deque()
        self._landings: deque[float] = deque([0.0] * parallel, maxlen=parallel)
        self._usual_s: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def oldest(self) -> Flight:
        return self._flights[0]

    @property
    def room(self) -> int:
        """How many more batches the engine takes."""
        return self._most - len(self._flights)

    @property
    def idle(self) -> int:
        """How many of these it would begin with at once."""
        return max(self._parallel - len(self._flights), 0)

    @property
    def usual_s(self) -> float:
        """How long one takes that is as large as the oldest; 0 if that is not known."""
        return self._usual_s.get(len(self.oldest.frames), 0.0)

    def free_in_s(self) -> float:
        """Return in how many seconds a place will probably be idle, 0 if one is or should be."""
        if self.idle:
            return 0.0
        return max(self.began_s(self.oldest) + self.usual_s - time.monotonic(), 0.0)

    def add(self, flight: Flight) -> None:
        self._flights.append(flight)

    def pop(self) -> Flight:
        """Return the oldest, which has landed or is waited for."""
        return self._flights.popleft()

    def note(self, flight: Flight) -> None:
        """Learn from a batch that was answered how long one takes."""
        landed_s = flight.landed_s or time.monotonic()
        took_s, size = landed_s - self.began_s(flight), len(flight.frames)
        usual_s = self._usual_s.get(size, took_s)
        self._usual_s[size] = usual_s + _SHARE * (took_s - usual_s)
        self._landings.append(landed_s)

    def began_s(self, flight: Flight) -> float:
        """Return when the engine began with the oldest batch: behind as many others as there are places."""
        return max(flight.submitted_s, self._landings[0])
