"""Pauses between tries: longer and longer, and spread at random."""

import random
from collections.abc import Callable
from typing import Final

_FIRST_S: Final = 0.5
_LONGEST_S: Final = 30.0
_LONGEST_ASKED_FOR_S: Final = 300.0


class Pauses:
    """Doubles from 0.5 s to 30 s; each is cut at random to no less than half, so that senders don't come together."""

    def __init__(self, share: Callable[[], float] = random.random) -> None:
        """`share` returns a number in [0, 1)."""
        self._share, self._next_s = share, _FIRST_S

    def next_s(self, asked_for_s: float | None = None) -> float:
        """Return the next pause in seconds; not less than what the peer asked for, up to five minutes."""
        pause_s = self._next_s * (0.5 + self._share() / 2)
        self._next_s = min(self._next_s * 2, _LONGEST_S)
        return max(pause_s, min(asked_for_s or 0.0, _LONGEST_ASKED_FOR_S))

    def reset(self) -> None:
        """Begin again: it has answered."""
        self._next_s = _FIRST_S
