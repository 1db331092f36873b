"""What stages tell each other, and other programs."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = int | slice | NDArray[np.bool_] | NDArray[np.intp]
"""Which objects of a frame: their numbers, or whether each is meant."""


@dataclass(frozen=True, slots=True)
class FrameMeta:
    """Identity and clocks of one frame; the pixels are in the frame store under (source, epoch, seq)."""

    source: str
    epoch: int
    """Counts the restarts of the source; messages of an older epoch are refused."""
    seq: int
    """Number of the frame in its source, from 0; each frame that came from the source has one, looked at or not."""
    pts_s: float
    """Presentation time in seconds from the start of the recording's clock."""
    width: int
    """Of the original frame, in pixels, after rotation."""
    height: int
    timestamp_s: float | None = None
    """Capture time in seconds since 1970 (UTC), if the source knows it."""
    captured_ns: int = 0
    """Wall clock when the packet was read."""
    decoded_ns: int = 0
    """Wall clock when the pixels were in the store."""
    previous: int | None = None
    """Of a camera's frame: the seq of the one that was looked at before, -1 for none; None in a recording."""
    corrupt: bool = False
    """Whether the camera's picture is damaged, or was made with the help of one that is."""
    roi: tuple[int, int, int, int] | None = None
    """Left, top, right and bottom of the part that is looked at, pixels of the original frame; None: all of it."""

    @property
    def region(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what is looked at, pixels of the original frame."""
        return self.roi or (0, 0, self.width, self.height)


@dataclass(frozen=True, slots=True)
class ZoneCount:
    """One zone or line of a source, and what has been counted there up to and with one frame."""

    zone: str
    """Its name."""
    entered: int
    """Objects that entered the zone, or crossed the line inwards, since the source began."""
    left: int
    """Objects that left the zone, or crossed the line outwards."""
    inside: int | None = None
    """Objects that are in the zone now; None of a line."""
    points: tuple[tuple[int, int], ...] = ()
    """Its corners, or the points of the line, pixels of the original frame; none: all of the picture."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in front of a source: a track began, somebody entered a zone, a class appeared."""

    id: str
    """Unique over all sources, and the same after a crash, so that repeats can be told."""
    kind: str
    """`enter`, `exit`, `dwell`, `crossed`, `count`, `appeared`, `disappeared`, `track_started` or `track_ended`."""
    source: str
    epoch: int
    seq: int
    """The frame that showed it."""
    pts_s: float
    """Of that frame: seconds from the start of the recording's clock."""
    timestamp_s: float | None = None
    """Capture time of that frame in seconds since 1970 (UTC), if the source knows it."""
    tracker_id: int | None = None
    """Who, where it is about one object."""
    class_id: int | None = None
    class_name: str | None = None
    confidence: float | None = None
    """Of the detection; of a track's end the best that it had."""
    xyxy: tuple[float, float, float, float] | None = None
    """The object's box in that frame, pixels of the original; of a track's end its last one."""
    zone: str | None = None
    """Name of the zone or line; None: all of the picture."""
    direction: str | None = None
    """Of a line: `in` or `out`."""
    value: float | None = None
    """Seconds in the zone (`dwell`, `exit`); objects there (`count`); objects of the class (`appeared`)."""
    duration_s: float | None = None
    """Of a track's end: from its first to its last detection."""
    path: tuple[tuple[float, float, float], ...] | None = None
    """Of a track's end: `pts_s`, x and y (pixels) of the middle of the box's lower edge, thinned."""
    snapshot: str | None = None
    """Name of a JPEG in the folder of the outputs, if one is made."""


@dataclass(frozen=True, slots=True)
class MinuteRow:
    """Objects of one class in one place in one minute."""

    zone: str | None
    """Name of the zone or line; None: all of the picture."""
    class_name: str
    most: int
    """At the same time; of a line 0."""
    mean: float
    """Over the frames that were looked at; of a line 0."""
    entered: int
    """Objects that entered the zone, crossed the line inwards, or, in the picture, whose track began."""
    left: int
    """Objects that left the zone, crossed the line outwards, or, in the picture, whose track ended."""


@dataclass(frozen=True, slots=True)
class MinuteCounts:
    """What was in front of a source in one minute."""

    source: str
    start_s: float
    """Of the minute: seconds since 1970 for a camera, from the start of the recording for a recording."""
    frames: int
    """That were looked at."""
    rows: tuple[MinuteRow, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Objects found in one frame, best first; or, with an error, the frame that could not be looked at."""

    frame: FrameMeta
    xyxy: NDArray[np.float32]
    """Boxes, shape (N, 4), in pixels of the original frame, inside it."""
    confidence: NDArray[np.float32]
    """In [0, 1], shape (N,), best first."""
    class_id: NDArray[np.int32]
    """Shape (N,)."""
    class_name: tuple[str, ...]
    """One a detection, length N."""
    tracker_id: NDArray[np.int64]
    """Shape (N,), from 1 in each source; -1 where no track is confirmed."""
    error: str | None = None
    """Why the frame was not looked at; None if it was."""
    skipped: str | None = None
    """`motion`: there was nothing to look for, as nothing moved; None if it was looked at."""
    dropped_before: int = 0
    """Frames of a camera between the one published before and this one, which nobody looked at."""
    begun_ns: int = 0
    """Wall clock when the engine began with it."""
    inferred_ns: int = 0
    """Wall clock when the engine had answered."""
    published_ns: int = 0
    """Wall clock when the tracker published it."""
    zones: tuple[ZoneCount, ...] = ()
    """Of each zone and line of the source what is counted so far; this and the following only behind the tracker."""
    events: tuple[Event, ...] = ()
    """What this frame showed."""
    minutes: tuple[MinuteCounts, ...] = ()
    """Minutes that were over with this frame."""

    def __len__(self) -> int:
        return len(self.class_id)

    def __getitem__(self, index: Rows) -> "Detections":
        """Return the frame with these objects only, as in `found[found.confidence > 0.8]`."""
        rows = np.atleast_1d(np.arange(len(self))[index])
        arrays = {name: getattr(self, name)[rows] for name in ("xyxy", "confidence", "class_id", "tracker_id")}
        return replace(self, **arrays, class_name=tuple(self.class_name[row] for row in rows))

    @classmethod
    def failed(cls, frame: FrameMeta, error: str) -> "Detections":
        """Return the record of a frame that could not be looked at."""
        return replace(cls.none(frame), error=error)

    @classmethod
    def none(cls, frame: FrameMeta) -> "Detections":
        """Return the record of a frame in which nothing was found."""
        floats = np.zeros(0, np.float32)
        return cls(frame, floats.reshape(0, 4), floats, np.zeros(0, np.int32), (), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class Turn:
    """Some camera has something new: whoever takes this may look at one camera's newest frame then."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """What has become of a camera."""

    source: str
    epoch: int
    state: str
    """`connecting`, `live`, `stalled`, `reconnecting`, `paused`, `failed` or `ended`."""
    since_ns: int
    """Wall clock when it came to that."""
    code: str | None = None
    """Why: as of `CameraError`; None while all is well."""
    error: str | None = None
    """The same in words."""
    reconnects: int = 0
    captured: int = 0
    """Frames that came from it."""
    corrupt: int = 0
    """Frames of these that were damaged."""
    offered: int = 0
    """Frames of these that were worth a look: not damaged, not above the wanted rate, not without motion."""
    skipped: int = 0
    """Frames of these in which nothing moved."""
    fps: float = 0.0
    """At which it delivers, lately."""


@dataclass(frozen=True, slots=True)
class EndOfSource:
    """The last word of a source: how many frames it had, and why it ended early if it did."""

    source: str
    epoch: int
    frames: int
    error: str | None = None
    last: int | None = None
    """Of a camera: seq of the last frame that somebody took to look at, -1 for none."""
    events: tuple[Event, ...] = ()
    """What the end brought with it: tracks that ended."""
    minutes: tuple[MinuteCounts, ...] = ()
    """The minute that was not over."""


Message: TypeAlias = FrameMeta | Detections | EndOfSource | Turn | SourceState | Event | MinuteCounts
PublicMessage: TypeAlias = Detections | EndOfSource | SourceState | Event | MinuteCounts
"""What other programs read."""
