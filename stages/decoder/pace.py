"""How many recordings to read at once: so many that nobody behind has to wait for frames, and no more."""

import os
from collections.abc import Sequence
from typing import Final

_FIRST: Final = 2
"""One is read while the end of another one is still being written."""
_MOST: Final = 16
_SPARE_READERS: Final = 2
"""Beyond the cores: some wait for an end to be written."""
_LOOKS: Final = 10
_STARVED: Final = 0.7
_CROWDED: Final = 0.95
"""Shares of the last looks; between them lies what is as it should be."""


def most_readers(parallel: int | None, recordings: int, *, watched: bool = False) -> int:
    """Return how many recordings may be open at once: as many as wished, or as the machine can use; 0 if none is there.

    `watched`: there may be more later.
    """
    cores = len(os.sched_getaffinity(0))
    most = parallel or min(cores + _SPARE_READERS, _MOST)
    return most if watched else min(most, recordings)


def lanes_each(wanted: int | None, readers: int) -> int:
    """Return how many threads are to read each recording: as many as wished, or half the cores shared out."""
    return wanted or max(len(os.sched_getaffinity(0)) // 2 // max(readers, 1), 1)


class Pace:
    """One reader more while none waits for room, which is the detectors' to make; one less while all of them do."""

    def __init__(self, parallel: int | None, most: int) -> None:
        """`parallel` are to read, at all times, unless it is None; else `most` at most."""
        self._fixed, self.most = parallel is not None, max(most, 1)
        self.readers = self.most if self._fixed else min(_FIRST, self.most)
        """So many are to read now."""
        self._looks: list[float] = []

    def look(self, waiting: Sequence[bool]) -> None:
        """Note of each reader whether it waits for room at this moment."""
        if self._fixed:
            return
        self._looks.append(sum(waiting) / len(waiting) if waiting else 0.0)
        if len(self._looks) < _LOOKS:
            return
        starved = self._looks.count(0.0) / len(self._looks)
        crowded = self._looks.count(1.0) / len(self._looks)
        self._looks.clear()
        if starved >= _STARVED:
            self.readers = min(self.readers + 1, self.most)
        elif crowded >= _CROWDED:
            self.readers = max(self.readers - 1, min(_FIRST, self.most))
