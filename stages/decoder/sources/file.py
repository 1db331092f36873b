"""Recordings: any file that FFmpeg reads."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import SourceError
from stages.decoder.finding import Anchor, Packets, behind, skipped, sought
from stages.decoder.opening import Threads, facts_of, opened
from stages.decoder.picture import Scaler, upright_size
from stages.decoder.reading import Item, Reading
from stages.decoder.source import Decoded, SourceFacts


class FileSource(BaseModel):
    """Settings of a recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["file"] = "file"
    path: Path
    threads: int = Field(default=2, ge=0, le=64, description="that decode this file; 0: one a core")
    thread_type: Threads = "slice"
    """Only by slices does a damaged recording come out the same each time; `auto` and `frame` use more cores."""

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self.path)

    @property
    def size(self) -> int:
        """Of the file, bytes; 0 if it is not there."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def build(self) -> "Recording":
        """Open it.

        Raises:
            SourceError: it is missing, unreadable, empty, no video, or without a video stream.
        """
        return Recording(self)


class Recording:
    """A file; every frame of it, as often as asked."""

    def __init__(self, settings: FileSource) -> None:
        self._settings = settings
        self._facts = facts_of(settings.path)
        self._closed = False

    @property
    def facts(self) -> SourceFacts:
        """What is known before decoding."""
        return self._facts

    def frames(self, start: int = 0, anchor: tuple[int, float] | None = None) -> Iterator[Decoded]:
        """Yield the frames from seq `start` on; earlier ones are decoded as far as they must, never converted."""
        scaler = Scaler()
        for seq, (pts_s, frame) in self._numbered(anchor):
            if self._closed:
                return
            if seq >= start:
                yield self._decoded(seq, pts_s, frame, scaler)

    def _numbered(self, anchor: Anchor | None) -> Iterator[tuple[int, Item]]:
        """Yield frames from behind the anchor on if it can be found, else all."""
        if anchor is not None:
            for find in (sought, skipped):
                with self._opened() as (container, stream):
                    found = find(container, stream, anchor)
                    frames = behind(self._reading(container, stream, *found), anchor) if found else None
                    if frames is not None:
                        yield from frames
                        return
        with self._opened() as (container, stream):
            yield from enumerate(self._reading(container, stream).items())

    def _opened(self) -> AbstractContextManager[tuple[InputContainer, VideoStream]]:
        return opened(self._settings.path, self._settings.threads, self._settings.thread_type)

    def _reading(
        self, container: InputContainer, stream: VideoStream, packets: Packets | None = None, before: int = 0
    ) -> Reading:
        return Reading(self._settings.path, container, stream, 1 / self._facts.fps, packets, before)

    def close(self) -> None:
        """End the running `frames`."""
        self._closed = True

    def _decoded(self, seq: int, pts_s: float, frame: VideoFrame | str, scaler: Scaler) -> Decoded:
        created = self._facts.creation_time
        timestamp_s = created.timestamp() + pts_s if created else None
        clocks = (seq, pts_s, timestamp_s)
        if isinstance(frame, str):
            size = (self._facts.width, self._facts.height)
            return Decoded(*clocks, *size, time.time_ns(), partial(_refuse, frame), frame)
        return Decoded(*clocks, *upright_size(frame), time.time_ns(), partial(scaler, frame))


def _refuse(error: str, width: int, height: int) -> NDArray[np.uint8]:
    raise SourceError(f"no picture to scale to {width}x{height}: {error}")
