"""Which frames of a recording are looked at: a part of it, and of that each so-manieth, or so many a second."""

import math
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_EARLY_S: Final = 5e-4
"""So much early is in time: containers round times to milliseconds."""
SAME_S: Final = 1e-5
"""Times of one frame, read twice, differ by less."""


class Astray(Exception):  # noqa: N818 - it is no error
    """A recording has to be gone through frame by frame: what was left out was wanted, or a seek led elsewhere."""


class Sampling(BaseModel):
    """Settings: which frames of a recording are looked at; all of them if nothing is set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: int = Field(default=1, ge=1, description="2: every second frame")
    fps: float | None = Field(default=None, gt=0, description="so many frames a second at most, evenly")
    from_s: float | None = Field(default=None, ge=0, description="seconds from the recording's beginning")
    to_s: float | None = Field(default=None, gt=0, description="up to there")

    @model_validator(mode="after")
    def _is_one_wish(self) -> Self:
        if self.every > 1 and self.fps is not None:
            raise ValueError("every and fps: give one of them")
        if self.from_s is not None and self.to_s is not None and self.from_s >= self.to_s:
            raise ValueError("from_s must be before to_s")
        return self

    @property
    def takes_all(self) -> bool:
        """Whether each frame is looked at."""
        return self.every == 1 and self.fps is None and self.from_s is None and self.to_s is None

    @property
    def wish(self) -> dict[str, Any]:
        """These settings by name, where they are part of others."""
        return self.model_dump(mode="json", include=set(Sampling.model_fields))

    def of(self, frames: float, duration_s: float | None) -> float:
        """Return about how many frames are taken of a recording of so many frames and seconds."""
        begin_s, whole_s = self.from_s or 0.0, duration_s or math.inf
        left_s = max(min(self.to_s or math.inf, whole_s) - begin_s, 0.0)
        part = frames * left_s / whole_s if duration_s else frames
        return min(part / self.every, left_s * self.fps if self.fps and left_s < math.inf else math.inf)


@dataclass(slots=True)
class Sampler:
    """Says of each frame of a recording, in order, whether it is taken."""

    sampling: Sampling
    start_s: float
    """The recording's beginning, on its own clock."""
    after_s: float | None = None
    """The time of the frame, of those taken, behind which to go on."""
    _count: int = 0
    _slot: int = -1
    _went_by: bool = False
    _astray: bool = False

    @property
    def begin_s(self) -> float:
        """The earliest time of a frame that may be taken."""
        begin_s = self.start_s + (self.sampling.from_s or 0.0)
        return begin_s if self.after_s is None else max(begin_s, self.after_s)

    @property
    def due_s(self) -> float:
        """No frame is taken before this time."""
        if self.sampling.fps is None or self._slot < 0:
            return self.begin_s
        return max(self.start_s + (self._slot + 1) / self.sampling.fps - _EARLY_S, self.begin_s)

    @property
    def astray(self) -> bool:
        """Whether the frame behind which to go on was not come by, so that all have to be asked about."""
        return self._astray

    def copy(self) -> "Sampler":
        """Return one that goes on from here."""
        return replace(self)

    def takes(self, pts_s: float) -> bool:
        """Return whether the frame at this time, the next one, is taken."""
        if pts_s < self.begin_s - SAME_S or self.over(pts_s):
            return False
        if self.after_s is not None and not self._went_by:
            return self._go_by(pts_s)
        return self._in_turn(pts_s)

    def over(self, pts_s: float) -> bool:
        """Return whether this time is behind the part that is wanted."""
        return self.sampling.to_s is not None and pts_s >= self.start_s + self.sampling.to_s - SAME_S

    def _go_by(self, pts_s: float) -> bool:
        """Find the frame behind which to go on, and count from there; it was taken already."""
        self._went_by, self._astray = True, abs(pts_s - (self.after_s or 0.0)) > SAME_S
        self._in_turn(pts_s)
        return False

    def _in_turn(self, pts_s: float) -> bool:
        if self.sampling.fps is not None:
            slot = math.floor((pts_s - self.start_s + _EARLY_S) * self.sampling.fps)
            taken, self._slot = slot > self._slot, max(slot, self._slot)
            return taken
        self._count += 1
        return (self._count - 1) % self.sampling.every == 0
