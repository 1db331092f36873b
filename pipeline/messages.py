"""What stages tell each other, and other programs."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray


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

    def __len__(self) -> int:
        return len(self.class_id)

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


Message: TypeAlias = FrameMeta | Detections | EndOfSource | Turn | SourceState
