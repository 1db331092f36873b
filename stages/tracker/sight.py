"""What watchers see of a frame: who is there, and who has gone."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Event, FrameMeta

Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Seen:
    """An object whose track has a number."""

    tracker_id: int
    class_id: int
    class_name: str
    """What it was taken for most often."""
    confidence: float
    xyxy: Box


@dataclass(frozen=True)
class Sight:
    """One frame that was looked at, or the end of a source."""

    frame: FrameMeta
    at_ms: int
    """Never goes back."""
    here: tuple[Seen, ...] = ()
    gone: tuple[Seen, ...] = ()
    """Whose tracks have ended, as they were last seen."""
    gap: bool = False
    """Whether nobody looked for so long before that nobody knows where those that are gone went."""

    @cached_property
    def xyxy(self) -> NDArray[np.float64]:
        """The boxes of those that are here, shape (N, 4), pixels."""
        return np.array([seen.xyxy for seen in self.here], np.float64).reshape(-1, 4)

    def event(self, kind: str, seen: Seen | None = None, **more: Any) -> Event:
        """Return an event of this frame, about an object or none; it is still to be given its ID."""
        frame = self.frame
        event = Event("", kind, frame.source, frame.epoch, frame.seq, round(frame.pts_s, 6), frame.timestamp_s, **more)
        if seen is None:
            return event
        about: dict[str, Any] = {"class_id": seen.class_id, "class_name": seen.class_name, "xyxy": seen.xyxy}
        return replace(event, tracker_id=seen.tracker_id, confidence=seen.confidence, **about)
