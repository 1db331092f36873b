"""A clock that a test moves."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Stands still unless a test moves it; in the place of `time.monotonic`, or of the module `time`."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        return self.now_s

    def time_ns(self) -> int:
        return round(self.now_s * 1e9)
