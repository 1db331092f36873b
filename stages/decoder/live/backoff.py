"""How long to wait before a camera is tried again."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

_SETTLED_S: Final = 30.0
"""Live for so long, a camera's failures are forgotten."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The longest first wait, and the longest of all."""

    first_s: float
    most_s: float


_USUAL: Final = Pace(0.5, 30.0)
# Cameras lock accounts after a few wrong passwords.
_BY_CODE: Final[Mapping[str, Pace]] = {
    "auth": Pace(60.0, 600.0),
    "not_found": Pace(5.0, 60.0),
    "codec": Pace(5.0, 60.0),
}


class Backoff:
    """Doubles the wait with each failure, and spreads it, so that cameras of one switch don't come back all at once."""

    def __init__(self, random: Random, settled_s: float = _SETTLED_S) -> None:
        self._random, self._settled_s = random, settled_s
        self._failures = 0
        self._code = ""

    @property
    def failures(self) -> int:
        """In a row."""
        return self._failures

    def after(self, code: str, live_s: float = 0.0) -> float:
        """Return how many seconds to wait after a failure of a camera that was live for `live_s`."""
        if live_s >= self._settled_s or code != self._code:
            self._failures = 0
        self._code = code
        pace = _BY_CODE.get(code, _USUAL)
        most_s = min(pace.most_s, pace.first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        # Full jitter; but of an account that may be locked, never less than the first wait.
        least_s = pace.first_s if code == "auth" else 0.0
        return self._random.uniform(least_s, max(most_s, least_s * 1.25))
