"""A recording: the frames that are looked at, as often as asked."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import SourceError
from stages.decoder.opening import Place, Threads
from stages.decoder.part import Part
from stages.decoder.parts import Parts
from stages.decoder.picture import Scaler, Shot, upright_size
from stages.decoder.pieces import Pieces
from stages.decoder.reading import Item
from stages.decoder.sampling import Sampling
from stages.decoder.source import Decoded, SourceFacts


class RecordingSettings(Sampling):
    """How a recording is decoded, wherever it is."""

    threads: int = Field(default=2, ge=0, le=64, description="that decode this file; 0: one a core")
    thread_type: Threads = "slice"
    """Only by slices does a damaged recording come out the same each time; `auto` and `frame` use more cores."""


class Recording:
    """Files one behind the other; every frame of them, as often as asked."""

    def __init__(self, places: Sequence[Place], settings: RecordingSettings, times: float = 1.0) -> None:
        """Open it; all of it is so many `times` as long as the first of the files, by size.

        Raises:
            SourceError: it is missing, unreadable, empty, no video, or without a video stream.
        """
        self._settings = settings
        self._parts = Parts(places, settings.threads, settings.thread_type)
        self._facts = _facts(self._parts.first.facts, settings, times)
        self._pieces: Pieces | None = None
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

    def lanes(self, most: int, start: int = 0, anchor: tuple[int, float] | None = None) -> list[Iterator[Decoded]]:
        """Return up to so many iterators, each for a thread, that share the frames among them; one if it can't be cut.

        Each is in order and has frames that the others don't have. They raise `Uneven`, too.
        """
        cut = self._parts.pieces(anchor) if most > 1 and self._settings.takes_all else None
        if cut is None:
            return [self.frames(start, anchor)]
        self._pieces = cut
        return [self._lane(cut, start) for _ in range(most)]

    def close(self) -> None:
        """End the running `frames`; of lanes, once their threads have ended."""
        self._closed = True
        if self._pieces is not None:
            self._pieces.close()

    def _lane(self, cut: Pieces, start: int) -> Iterator[Decoded]:
        scaler = Scaler()
        for seq, item in cut.lane():
            if self._closed:
                return
            if seq >= start:
                yield _decoded(self._parts.first, seq, item, scaler)


def _facts(first: SourceFacts, settings: RecordingSettings, times: float) -> SourceFacts:
    """Return what is known of the frames that are taken, from what the first file says of itself."""
    frames = first.frames or (first.duration_s * first.fps if first.duration_s else None)
    if settings.takes_all and times == 1:
        return replace(first, about=None if frames is None else round(frames))
    duration_s = first.duration_s * times if first.duration_s else None
    about = None if frames is None else round(settings.of(frames * times, duration_s))
    fps = min(first.fps / settings.every, settings.fps or first.fps)
    return replace(first, frames=None, about=about, duration_s=duration_s, fps=fps)


def _decoded(part: Part, seq: int, item: Item, scaler: Scaler) -> Decoded:
    (pts_s, frame), created = item, part.facts.creation_time
    timestamp_s = created.timestamp() + pts_s - part.offset_s if created else None
    clocks = (seq, pts_s, timestamp_s)
    if isinstance(frame, VideoFrame):
        return Decoded(*clocks, *upright_size(frame), time.time_ns(), Shot(scaler, frame))
    error = frame or "passed over"
    size = (part.facts.width, part.facts.height)
    return Decoded(*clocks, *size, time.time_ns(), partial(_refuse, error), error)


def _refuse(error: str, width: int, height: int) -> NDArray[np.uint8]:
    raise SourceError(f"no picture to scale to {width}x{height}: {error}")
