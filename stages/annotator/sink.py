"""Where detections go."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pipeline.frame import Planar
from pipeline.messages import Detections, EndOfSource


@dataclass(frozen=True, slots=True)
class Counts:
    """What an output holds, what earlier processes wrote into it included."""

    frames: int = 0
    failed: int = 0
    """Of the frames: those that could not be looked at."""
    detections: int | None = None
    """None where the output can't tell."""


@runtime_checkable
class Concluding(Protocol):
    """A sink that also wants what the end of a source brings with it."""

    def conclude(self, end: EndOfSource) -> None:
        """Take the end; comes before `finish`. One at or before `done` is ignored."""


class Sink(Protocol):
    """One output of one source, called from one thread; its docstring says what it guarantees.

    It finds in its own output where an earlier process was, and goes on from there: what is written again is ignored.
    Any call may raise SinkError; what is durable stays so.
    """

    @property
    def kind(self) -> str:
        """The `kind` of its settings."""

    @property
    def needs_pixels(self) -> bool:
        """Whether `write` wants the image."""

    @property
    def done(self) -> int:
        """Last seq that needs no more pixels; -1 at first."""

    @property
    def durable(self) -> int:
        """Last seq whose output survives SIGKILL and loss of power; -1 at first."""

    def counts(self) -> Counts:
        """Return what is in the output, up to `done`."""

    def write(self, found: Detections, image: Planar | None) -> None:
        """Add the next frame; one at or before `done` is ignored.

        `image` is perhaps smaller than the original frame; the sink may draw on it.
        """

    def flush(self) -> None:
        """Make durable what cheaply can be; to be called when idle."""

    def finish(self, frames: int, error: str | None) -> None:
        """Give the output its final form, on disk, and free all; the source had that many frames, perhaps an error."""

    def close(self) -> None:
        """Leave what is done readable, to be continued by the next process; after `finish`, harmless."""
