"""How much of a source stays in its public stream for late readers: by number, by time and by size."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from pipeline.memory import ENTRY_BYTES, MIB

OVERHEAD_BYTES: Final = 160
"""Of an entry beside its body: ID, names and values of the plain fields; measured with MEMORY USAGE."""


class RetentionSettings(BaseModel):
    """How much of some sources stays for late readers: what is reached first counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int | None = Field(default=None, ge=0)
    """`flow.retain` if not given."""
    seconds: float | None = Field(default=None, gt=0)
    """Between a frame and the newest one, by the times of the frames."""
    mb: float | None = Field(default=None, gt=0)
    """MiB of all its entries together, about."""


@dataclass(frozen=True, slots=True)
class Retention:
    """What is reached first counts; nobody who reads slowly changes it."""

    frames: int
    seconds: float | None = None
    """Between an entry and the newest one, by the times of the frames."""
    mb: float | None = None
    """MiB of all entries together."""

    def entries(self, body_bytes: float) -> int:
        """Return how many entries stay, if their bodies have so many bytes on average."""
        if self.mb is None:
            return self.frames
        return min(self.frames, max(round(self.mb * MIB / (body_bytes + OVERHEAD_BYTES)), 1))

    def oldest_ms(self, newest_ms: int) -> int | None:
        """Return the time before which entries go, if there is such a time."""
        return None if self.seconds is None else newest_ms - round(self.seconds * 1000)

    def of_a_recording(self, fps: float) -> int:
        """Return how many frames of a recording stay behind what its required consumers have."""
        by_time = self.frames if self.seconds is None else round(self.seconds * fps)
        return min(self.entries(ENTRY_BYTES), by_time)


def chosen(wanted: Mapping[str, RetentionSettings], source: str) -> RetentionSettings:
    """Return the first of these settings whose name or pattern fits a source."""
    fitting = (settings for pattern, settings in wanted.items() if fnmatchcase(source, pattern))
    return next(fitting, RetentionSettings())
