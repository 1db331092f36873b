"""Outputs that are made of the lines of a recording, or of a camera's segment, once all of them are there.

The lines are the truth, and survive a crash; what is derived of them is made anew when a crash has hit in between.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Finished:
    """A recording, or a segment of a camera, of which all is written but what is derived."""

    folder: Path
    """Of the outputs."""
    stem: str
    """What the names of its outputs begin with: the source, or the segment."""
    source: str
    lines: Path
    """A JSON line a frame, in order."""
    video: Path | None = None
    """With boxes drawn, if there is one."""
    recording: Path | None = None
    """None for a segment of a camera."""


class Derivation(Protocol):
    """Makes its outputs of the lines, one after the other; each appears whole or not at all.

    Any call may raise SinkError.
    """

    def add(self, fields: Mapping[str, Any]) -> None:
        """Take the next line's content."""

    def finish(self) -> Iterator[None]:
        """Put the outputs in their places, on disk; with each `next` a part of the work, so that others get on."""

    def close(self) -> None:
        """Free all, and leave nothing of what is not finished."""


@dataclass(frozen=True, slots=True)
class Row:
    """What every output that holds detections tells of a frame, so that one can be compared with another."""

    seq: int
    pts_s: float
    status: str
    objects: tuple[tuple[float, float, float, float, float, int, str, int | None], ...]
    """Of each object: x1, y1, x2, y2, confidence, class_id, class_name, tracker_id."""
