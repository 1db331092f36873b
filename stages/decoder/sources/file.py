"""Recordings: any file that FFmpeg reads."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import SourceError
from stages.decoder.opening import Threads, facts_of, opened
from stages.decoder.picture import Scaler, upright_size
from stages.decoder.reading import Reading
from stages.decoder.source import Decoded, SourceFacts


class FileSource(BaseModel):
    """Settings of a recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["file"] = "file"
    path: Path
    threads: int = Field(default=2, ge=0, le=64, description="that decode this file; 0: one a core")
    thread_type: Threads = "slice"
    """Only by slices does a damaged recording come out the same each time; `auto` and `frame` use more cores."""

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

    def frames(self, start: int = 0) -> Iterator[Decoded]:
        """Yield the frames from seq `start` on; earlier ones are decoded, never converted."""
        settings, scaler = self._settings, Scaler()
        with opened(settings.path, settings.threads, settings.thread_type) as (container, stream):
            reading = Reading(settings.path, container, stream, 1 / self._facts.fps)
            for seq, (pts_s, frame) in enumerate(reading.items()):
                if self._closed:
                    return
                if seq >= start:
                    yield self._decoded(seq, pts_s, frame, scaler)

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
