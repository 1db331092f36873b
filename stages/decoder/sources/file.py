"""Recordings: any file that FFmpeg reads, or several that are one."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import SourceError
from stages.decoder.folder import videos_in
from stages.decoder.opening import Threads
from stages.decoder.part import Part
from stages.decoder.parts import Parts
from stages.decoder.picture import Scaler, upright_size
from stages.decoder.reading import Item
from stages.decoder.sampling import Sampling
from stages.decoder.source import Decoded, SourceFacts

_PIECE: Final = 1 << 22


class FileSource(Sampling):
    """Settings of a recording."""

    kind: Literal["file"] = "file"
    path: Path
    join: bool = False
    """Whether `path` is a folder whose videos, in the order of their names, are one recording."""
    threads: int = Field(default=2, ge=0, le=64, description="that decode this file; 0: one a core")
    thread_type: Threads = "slice"
    """Only by slices does a damaged recording come out the same each time; `auto` and `frame` use more cores."""

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self.path)

    @property
    def files(self) -> list[Path]:
        """The files that it is made of, in their order."""
        return videos_in(self.path) if self.join and self.path.is_dir() else [self.path]

    @property
    def size(self) -> int:
        """Of its files, bytes; 0 if they are not there."""
        try:
            return sum(path.stat().st_size for path in self.files)
        except OSError:
            return 0

    def contents(self) -> Iterator[bytes]:
        """Yield what is in its files, one behind the other, piece by piece.

        Raises:
            OSError: one can't be read.
        """
        for path in self.files:
            with path.open("rb") as file:
                yield from iter(partial(file.read, _PIECE), b"")

    def build(self) -> "Recording":
        """Open it.

        Raises:
            SourceError: it is missing, unreadable, empty, no video, or without a video stream.
        """
        return Recording(self)


class Recording:
    """Files one behind the other; every frame of them, as often as asked."""

    def __init__(self, settings: FileSource) -> None:
        self._settings = settings
        files = settings.files
        if not files:
            raise SourceError(f"{settings.path} is a folder without videos: name another")
        self._parts = Parts(files, settings.threads, settings.thread_type)
        self._facts = _facts(self._parts.first.facts, settings)
        self._closed = False

    @property
    def facts(self) -> SourceFacts:
        """What is known before decoding."""
        return self._facts

    def frames(self, start: int = 0, anchor: tuple[int, float] | None = None) -> Iterator[Decoded]:
        """Yield the frames from seq `start` on; earlier ones are decoded as far as they must, never converted."""
        scaler, settings = Scaler(), self._settings
        all_of_it = settings.takes_all
        frames = self._parts.all(anchor) if all_of_it else self._parts.sampled(settings, start, anchor)
        for seq, part, item in frames:
            if self._closed:
                return
            if seq >= start:
                yield _decoded(part, seq, item, scaler)

    def close(self) -> None:
        """End the running `frames`."""
        self._closed = True


def _facts(first: SourceFacts, settings: FileSource) -> SourceFacts:
    """Return what is known of the frames that are taken, from what the first file says of itself."""
    frames = first.frames or (first.duration_s * first.fps if first.duration_s else None)
    if settings.takes_all and not settings.join:
        return replace(first, about=None if frames is None else round(frames))
    times = settings.size / max(settings.files[0].stat().st_size, 1)
    duration_s = first.duration_s * times if first.duration_s else None
    about = None if frames is None else round(settings.of(frames * times, duration_s))
    fps = min(first.fps / settings.every, settings.fps or first.fps)
    return replace(first, frames=None, about=about, duration_s=duration_s, fps=fps)


def _decoded(part: Part, seq: int, item: Item, scaler: Scaler) -> Decoded:
    (pts_s, frame), created = item, part.facts.creation_time
    timestamp_s = created.timestamp() + pts_s - part.offset_s if created else None
    clocks = (seq, pts_s, timestamp_s)
    if isinstance(frame, VideoFrame):
        return Decoded(*clocks, *upright_size(frame), time.time_ns(), partial(scaler, frame))
    error = frame or "passed over"
    size = (part.facts.width, part.facts.height)
    return Decoded(*clocks, *size, time.time_ns(), partial(_refuse, error), error)


def _refuse(error: str, width: int, height: int) -> NDArray[np.uint8]:
    raise SourceError(f"no picture to scale to {width}x{height}: {error}")
