"""What is made of a camera's finished segments, beside its life."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import structlog

from pipeline.errors import SinkError

_BUDGET_S: Final = 0.02


class Deriving:
    """Goes on with one segment after the other, a little at a time; what can't be written is told, and left."""

    def __init__(self, derive: Callable[[str], Iterator[None]], segments: Iterable[str] = ()) -> None:
        """`segments`: those of an earlier process of which something was never made."""
        self._derive, self._waiting = derive, deque(segments)
        self._work: Iterator[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether there is something left to do."""
        return bool(self._waiting) or self._work is not None

    def begin(self, segment: str) -> None:
        """Put a finished segment into the line."""
        if segment not in self._waiting:
            self._waiting.append(segment)

    def step(self) -> None:
        """Work for about 20 ms, if there is something to do."""
        until_s = time.monotonic() + _BUDGET_S
        while self.busy and time.monotonic() < until_s:
            self._work = self._work or self._derive(self._waiting.popleft())
            try:
                next(self._work)
                continue
            except SinkError as error:
                structlog.get_logger().error("output fails", kind="derived", error=str(error))
            except StopIteration:
                pass
            self._work = None

    def close(self) -> None:
        """Leave what is not done to the next process."""
        self._waiting.clear()
        self._work = None
