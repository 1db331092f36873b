"""Times of a recording, for people: how long it is, and which moments of it are worth a mark."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from stages.annotator.lines import ends_of, shown_s

ROUND_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Intervals that people count in, seconds."""


@dataclass(frozen=True, slots=True)
class Span:
    """From the first to the last frame of a recording."""

    first_s: float
    last_s: float
    timestamp: str | None
    """When the first frame was captured, if the recording says so."""

    @classmethod
    def of(cls, lines: Path) -> "Span":
        """Return what the lines tell; no frames are no time."""
        found = ends_of(lines)
        if found is None:
            return cls(0.0, 0.0, None)
        first_s, last_s = map(shown_s, found)
        return cls(first_s, max(first_s, last_s), found[0]["timestamp"])

    @property
    def length_s(self) -> float:
        """How long it is."""
        return self.last_s - self.first_s

    def step_s(self, most: int) -> float:
        """Return the shortest round interval that divides it into at most so many parts."""
        fitting = (step for step in ROUND_S if self.length_s / step < most)
        return next(fitting, self.length_s / most * 1.0001)

    def label(self, fields: Mapping[str, Any]) -> str:
        """Return when a line's frame is, as people write it: with the time of the day, if that is known."""
        into = clock(shown_s(fields) - self.first_s)
        return into if fields["timestamp"] is None else f"{into}  ·  {day_time(fields['timestamp']).split()[1]}"


def clock(seconds: float) -> str:
    """Return seconds as h:mm:ss, with tenths where they matter."""
    tenths = round(max(seconds, 0.0) * 10)
    hours, minutes, rest = tenths // 36_000, tenths // 600 % 60, tenths % 600
    text = f"{hours}:{minutes:02d}:{rest // 10:02d}"
    return f"{text}.{rest % 10}" if rest % 10 else text


def day_time(timestamp: str) -> str:
    """Return an ISO time as people write it, UTC."""
    return datetime.fromisoformat(timestamp).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
