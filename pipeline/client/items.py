"""What a subscriber gets: frames, and all that tells "no car" from "no camera"."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Detections, Event, Rows, SourceState

if TYPE_CHECKING:
    import supervision as sv


@dataclass(frozen=True, slots=True, eq=False)
class FrameDetections:
    """The objects in one frame that was looked at, maybe none."""

    id: str
    """Of its entry in the public stream, `<milliseconds>-<seq>`: a place to start from."""
    detections: Detections
    """As they go through the pipeline."""
    missed_before: int = 0
    """Frames between the one given before and this one: nobody looked at them, they failed, or they were trimmed."""

    @property
    def source(self) -> str:
        """Name of the camera or recording."""
        return self.detections.frame.source

    @property
    def seq(self) -> int:
        """Number of the frame in its source, from 0."""
        return self.detections.frame.seq

    @property
    def pts_s(self) -> float:
        """Time in the recording, seconds."""
        return self.detections.frame.pts_s

    @property
    def timestamp(self) -> datetime | None:
        """When it was taken (UTC), if the source knows it."""
        return as_datetime(self.detections.frame.timestamp_s)

    @property
    def width(self) -> int:
        """Of the original frame, pixels."""
        return self.detections.frame.width

    @property
    def height(self) -> int:
        """Of the original frame, pixels."""
        return self.detections.frame.height

    @property
    def xyxy(self) -> NDArray[np.float32]:
        """Boxes, shape (N, 4), in pixels of the original frame, inside it."""
        return self.detections.xyxy

    @property
    def confidence(self) -> NDArray[np.float32]:
        """In [0, 1], shape (N,), best first."""
        return self.detections.confidence

    @property
    def class_id(self) -> NDArray[np.int32]:
        """Shape (N,)."""
        return self.detections.class_id

    @property
    def class_name(self) -> tuple[str, ...]:
        """Length N."""
        return self.detections.class_name

    @property
    def tracker_id(self) -> NDArray[np.int64]:
        """Shape (N,), from 1; -1 where no track is confirmed."""
        return self.detections.tracker_id

    def __len__(self) -> int:
        return len(self.detections)

    def __getitem__(self, index: Rows) -> "FrameDetections":
        """Return the frame with these objects only, as in `frame[frame.confidence > 0.8]`."""
        return replace(self, detections=self.detections[index])

    def to_supervision(self) -> "sv.Detections":
        """Return the same as `supervision.Detections`, names as `data["class_name"]`; no tracks: `tracker_id` None."""
        return as_supervision(self.detections)


@dataclass(frozen=True, slots=True)
class FrameFailed:
    """A frame that could not be looked at."""

    id: str
    source: str
    seq: int
    pts_s: float | None
    timestamp: datetime | None
    error: str
    """Why."""


@dataclass(frozen=True, slots=True)
class FrameSkipped:
    """A frame that nobody had to look at."""

    id: str
    source: str
    seq: int
    pts_s: float
    timestamp: datetime | None
    reason: str
    """`motion`: nothing moved."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that this subscriber has missed."""

    source: str
    first: int | None
    """Number of the first one; None if unknown."""
    last: int | None
    """Number of the last one; None if unknown."""
    reason: Literal["trimmed", "restarted"] = "trimmed"
    """`trimmed`: removed before they were read. `restarted`: the numbers begin anew, and frames may come again."""

    @property
    def timestamp(self) -> None:
        """Nobody knows when they were taken."""


@dataclass(frozen=True, slots=True)
class SourceEnd:
    """The last word of a source; a camera may come back."""

    id: str
    source: str
    frames: int
    """How many it had."""
    timestamp: datetime | None = None
    error: str | None = None
    """Why it ended early."""


Item: TypeAlias = FrameDetections | FrameFailed | FrameSkipped | Gap | SourceEnd | SourceState | Event


def as_supervision(found: Detections) -> "sv.Detections":
    """Return objects as `supervision.Detections`, names as `data["class_name"]`; no tracks: `tracker_id` None."""
    import supervision as sv

    tracks = found.tracker_id if (found.tracker_id >= 0).any() else None
    names = np.array(found.class_name, dtype=np.str_)
    numbers = found.class_id.astype(np.int64)
    return sv.Detections(found.xyxy, None, found.confidence, numbers, tracks, data={"class_name": names})


def as_datetime(timestamp_s: float | None) -> datetime | None:
    """Return seconds since 1970 as a time (UTC)."""
    return None if timestamp_s is None else datetime.fromtimestamp(timestamp_s, UTC)
