"""Loaded by every Python that has this folder on its PYTHONPATH: a wall clock that jumps when a file says so."""

import os
import time
from contextlib import suppress
from pathlib import Path


class _Clock:
    """The wall clock, moved by the seconds in a file."""

    def __init__(self, mark: Path) -> None:
        self._mark, self._time_ns = mark, time.time_ns
        self._jump_ns, self._looked_s = 0, 0.0

    def time_ns(self) -> int:
        now_s = time.monotonic()
        if now_s - self._looked_s > 0.05:
            self._looked_s = now_s
            with suppress(OSError, ValueError):
                self._jump_ns = int(float(self._mark.read_text()) * 1e9)
        return self._time_ns() + self._jump_ns

    def time(self) -> float:
        return self.time_ns() / 1e9


if mark := os.environ.get("CLOCK_JUMP_MARK"):
    clock = _Clock(Path(mark))
    time.time_ns, time.time = clock.time_ns, clock.time
