"""What comes out of a camera."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from stages.decoder.source import Scale


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """One frame of a camera."""

    width: int
    """Of the upright picture, in pixels."""
    height: int
    pts_s: float
    """In the camera's own time."""
    timestamp_s: float
    """When it was captured, seconds since 1970 (UTC); grows from frame to frame of a source."""
    captured_ns: int
    """Wall clock when its packet was read."""
    scaled: Scale = field(repr=False)
    """One pass from the decoder's own pixels; one thread at a time."""
    corrupt: str | None = None
    """Why the picture can't be trusted, if so."""
    missed: int = 0
    """Frames before this one that nobody took in time, of a camera that counts its frames itself."""


@dataclass(slots=True)
class Counts:
    """What a stream has been through since it was opened."""

    captured: int = 0
    """Frames, damaged ones too."""
    corrupt: int = 0
    """Frames with damage."""
    errors: int = 0
    """Packets that could not be decoded."""


class LiveVideo(Protocol):
    """An opened live source."""

    codec: str
    fps: float
    """What it says that it delivers."""
    counts: Counts

    def __iter__(self) -> Iterator[Captured]:
        """Yield each frame, damaged ones too, to the end of a source that has one.

        Raises:
            CameraError: no frame comes any more, and why.
        """
