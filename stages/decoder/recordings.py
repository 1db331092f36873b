"""All recordings of one decoder: so many at a time, those given and those that are found."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, TypeAlias

from stages.decoder.following import Following, Opener
from stages.decoder.pace import Pace

_CLAIM_POLL_S: Final = 0.3
_LOOK_S: Final = 0.1

Named: TypeAlias = tuple[str, Opener]
"""A source's name and its settings."""
Find: TypeAlias = Callable[[], Iterable[Named]]
"""Returns the recordings that have come since it was asked last."""


class Recordings:
    """Has recordings followed, as many at a time as is right."""

    def __init__(self, following: Following, pace: Pace, stop: threading.Event, find: Find | None = None) -> None:
        """With `find` it doesn't end: more may come."""
        self._following, self._pace, self._stop, self._find = following, pace, stop, find
        self._waiting: deque[Named] = deque()
        self._tasks: set[Future[None]] = set()
        self._looked_s = 0.0

    def run(self, sources: Sequence[Named]) -> None:
        """Return when all are finished, or when told to stop.

        Raises:
            DetstreamError: the first error that made a source impossible to follow.
        """
        self._waiting.extend(sources)
        with ThreadPoolExecutor(self._pace.most, "source") as threads:
            try:
                while (self._waiting or self._tasks or self._find) and not self._stop.is_set():
                    self._step(threads)
            except BaseException:
                self._stop.set()
                raise

    def _step(self, threads: ThreadPoolExecutor) -> None:
        while self._waiting and len(self._tasks) < self._pace.readers:
            self._tasks.add(threads.submit(self._take, self._waiting.popleft()))
            for next_one in list(self._waiting)[: self._pace.readers]:
                self._following.announce(*next_one)
        if self._tasks:
            over, self._tasks = wait(self._tasks, _LOOK_S, FIRST_COMPLETED)
            for task in over:
                task.result()
        else:
            self._stop.wait(_LOOK_S)
        self._look()

    def _look(self) -> None:
        """Now and then, see whether more or fewer are to be read at once, and whether more have come."""
        if time.monotonic() - self._looked_s >= _LOOK_S:
            self._looked_s = time.monotonic()
            self._pace.look(self._following.waits)
            self._waiting.extend(self._find() if self._find else ())

    def _take(self, source: Named) -> None:
        """Follow a source; one that another decoder follows goes to the end of the line."""
        if not self._following.follow(*source):
            self._stop.wait(_CLAIM_POLL_S)
            self._waiting.append(source)
