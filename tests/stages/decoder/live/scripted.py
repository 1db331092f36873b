"""Cameras that do what a test says: frames of one colour, and pauses, ends and errors in between."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from stages.decoder.live.captured import Captured, Counts, LiveVideo
from tests.stages.synthetic import SIDE, Shown

Step: TypeAlias = Captured | Exception | Callable[[], object]
"""A frame, an error that is raised, or something that is done."""


def shot(
    number: int, *, at_s: float | None = None, side: int = SIDE, corrupt: str | None = None, missed: int = 0
) -> Captured:
    """Return a square frame whose colour is its number, of a camera of 25 frames a second."""
    stamp_s = 1000 + number / 25 if at_s is None else at_s
    return Captured(side, side, number / 25, stamp_s, time.time_ns(), Shown(number), corrupt, missed)


class ScriptedVideo:
    """An opened camera that goes through its steps and is over then."""

    codec = "none"

    def __init__(self, steps: Iterable[Step], fps: float = 25.0) -> None:
        self.fps, self.counts, self._steps = fps, Counts(), steps

    def __iter__(self) -> Iterator[Captured]:
        for step in self._steps:
            if isinstance(step, Captured):
                yield step
            elif isinstance(step, Exception):
                raise step
            else:
                step()


@dataclass
class Script:
    """What opening the camera gives, time after time; the last one goes on for ever."""

    takes: list[Iterable[Step] | Exception]
    starts: list[int] = field(default_factory=list)
    """With which numbers it was opened."""
    closed: int = 0

    @contextmanager
    def open(self, start: int) -> Iterator[LiveVideo]:
        self.starts.append(start)
        take = self.takes[min(len(self.starts), len(self.takes)) - 1]
        if isinstance(take, Exception):
            raise take
        try:
            yield ScriptedVideo(take)
        finally:
            self.closed += 1


def endless(first: int = 0, pause_s: float = 0.002) -> Iterator[Step]:
    """Yield frames for ever."""
    wait = threading.Event().wait
    number = first
    while True:
        yield shot(number, at_s=time.time())
        wait(pause_s)
        number += 1
