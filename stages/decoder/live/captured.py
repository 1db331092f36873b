"""What comes out of a camera."""

from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Counts:
    """What a stream has been through since it was opened."""

    captured: int = 0
    """Frames, damaged ones too."""
    corrupt: int = 0
    """Frames with damage."""
    errors: int = 0
    """Packets that could not be decoded."""
