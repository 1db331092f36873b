"""Where frames come from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Planar

Scale: TypeAlias = Callable[[int, int], NDArray[np.uint8]]
"""Makes a picture of the given (width, height): BGR uint8 (height, width, 3), contiguous, upright."""


@runtime_checkable
class PlanarScale(Protocol):
    """A `Scale` that also has the picture as video has it, without a detour over BGR."""

    def __call__(self, width: int, height: int) -> NDArray[np.uint8]:
        """Make a picture of that size: BGR uint8 (height, width, 3), contiguous, upright."""

    def planar(self, width: int, height: int) -> Planar:
        """Make a picture of that size, upright; of an odd one without the last line."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a source says of itself before anything was decoded but its first frame."""

    width: int
    """Of the upright picture, in pixels."""
    height: int
    fps: float
    """On average."""
    frames: int | None
    """What the container claims, for progress and for noticing that the end is missing; not a promise."""
    duration_s: float | None
    creation_time: datetime | None
    """Of pts 0, UTC, as the container has it."""
    codec: str
    start_s: float = 0.0
    """Time of the first frame, by the recording's clock."""
    about: int | None = None
    """Frames to be expected, for progress, where only some are taken or nobody says how many there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """One frame that is decoded but not yet a picture; or, with an error, the place of one that is lost."""

    seq: int
    pts_s: float
    timestamp_s: float | None
    """Capture time in seconds since 1970 (UTC), if the source knows it."""
    width: int
    """Of the upright picture, in pixels."""
    height: int
    captured_ns: int
    """Wall clock when the packet was read."""
    scaled: Scale
    """One swscale pass from the decoder's own pixels; one thread at a time. Raises SourceError where error is set."""
    error: str | None = None


class Uneven(Exception):  # noqa: N818 - it is no error
    """A piece of a recording has other frames than its packets promise: it has to be gone through in one go."""


class VideoSource(Protocol):
    """A recording or a camera, opened."""

    @property
    def facts(self) -> SourceFacts:
        """What is known before decoding."""

    def frames(self, start: int = 0, anchor: tuple[int, float] | None = None) -> Iterator[Decoded]:
        """Yield the frames from seq `start` on, in order, numbered the same whatever `start` is.

        `anchor` is the number and the time (seconds) of an earlier frame, to find the place without decoding all
        before it.

        Raises:
            SourceError: nothing more can be read and it should; what could be read was yielded before.
        """

    def lanes(self, most: int, start: int = 0, anchor: tuple[int, float] | None = None) -> list[Iterator[Decoded]]:
        """Return up to so many iterators, each for a thread, that share the frames of `frames` among them.

        Each is in order, and has frames that the others don't have.

        Raises:
            SourceError: as `frames`.
            Uneven: it can't be shared after all; what was yielded is right.
        """

    def close(self) -> None:
        """End the running `frames`, from any thread; again is harmless."""
