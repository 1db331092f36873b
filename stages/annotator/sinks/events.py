"""Events, a line of JSON each, with pictures of those that want one; and what was counted, a line a minute.

Guarantee: each event and each minute once, in order, whatever crashes; a picture may be missing where a camera's frame
was gone by then.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict

from pipeline.frame import Planar
from pipeline.messages import Detections, EndOfSource, Event, MinuteCounts
from pipeline.wire_event import event_fields, minute_fields
from stages.annotator.append_file import AppendFile, replace_file
from stages.annotator.noted import Noted, Place
from stages.annotator.sink import Counts

_NOTE_EVERY_S: Final = 0.5
_JPEG_QUALITY: Final = 90


class EventsSink(BaseModel):
    """Settings of the events."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["events"] = "events"

    def outputs(self, folder: Path, stem: str, source: str = "") -> tuple[Path, Path]:
        """Return the files that it makes; if one exists, there was a run before."""
        return folder / f"{stem}.events.jsonl", folder / f"{stem}.counts.jsonl"

    def build(self, folder: Path, stem: str, recording: Path | None = None) -> "EventsWriter":
        """Open the output, or what is there of it.

        Raises:
            SinkError: it can't be written.
        """
        return EventsWriter(folder, *self.outputs(folder, stem), Noted(folder, f"{stem}.events"))


class EventsWriter:
    """Writes what frames showed; durable after at most half a second of writing, or a `flush`.

    A frame without events leaves nothing in the files, so how far they go is noted beside them. Whatever is in them
    behind that note is not written again.
    """

    kind: ClassVar = "events"
    needs_pixels: ClassVar = False  # of a few frames only: they say so themselves

    def __init__(
        self, folder: Path, events: Path, counts: Path, noted: Noted, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._noted, self._clock = folder, noted, clock
        self._events, self._minutes = _Lines(events, "id"), _Lines(counts, "start_s")
        place = noted.read(self._events.size, self._minutes.size)
        self._done = self._durable = place.seq
        self._frames = place.frames
        self._events.know(place.events)
        self._minutes.know(place.minutes)
        self._noted_s = clock()

    @property
    def done(self) -> int:
        """Last seq dealt with."""
        return self._done

    @property
    def durable(self) -> int:
        """Last seq whose events are on disk."""
        return self._durable

    def counts(self) -> Counts:
        """Return how many frames were dealt with."""
        return Counts(self._frames)

    def write(self, found: Detections, image: Planar | None = None) -> None:
        """Append the frame's events; the image is of the whole frame, nothing drawn on it."""
        if found.frame.seq <= self._done:
            return
        names = [event.snapshot for event in found.events if event.snapshot is not None]
        if names and image is not None:
            jpeg = _jpeg(image)
            for name in names:
                replace_file(self._folder / name, jpeg)
        self._append(found.events, found.minutes)
        self._done, self._frames = found.frame.seq, self._frames + 1
        if self._clock() - self._noted_s >= _NOTE_EVERY_S:
            self.flush()

    def conclude(self, end: EndOfSource) -> None:
        """Append what the end brought."""
        if end.frames > self._done:
            self._append(end.events, end.minutes)
            self._done = end.frames

    def flush(self) -> None:
        """Put on disk what was written, then note how far it goes."""
        if self._durable < self._done:
            self._events.sync()
            self._minutes.sync()
            self._noted.write(Place(self._done, self._frames, self._events.passed, self._minutes.passed))
            self._durable = self._done
        self._noted_s = self._clock()

    def finish(self, frames: int, error: str | None) -> None:
        """Put the rest on disk; the form is final all the time."""
        self.close()

    def close(self) -> None:
        """Put the rest on disk and free the files."""
        try:
            self.flush()
        finally:
            self._events.close()
            self._minutes.close()

    def _append(self, events: tuple[Event, ...], minutes: tuple[MinuteCounts, ...]) -> None:
        # Which restart it was in, `epoch`, is not the same after a crash: it is in the streams only.
        self._events.add([{k: v for k, v in event_fields(event).items() if k != "epoch"} for event in events])
        self._minutes.add([minute_fields(counts) for counts in minutes])


def _jpeg(image: Planar) -> bytes:
    import cv2  # here: most runs want no pictures

    from stages.annotator.film import as_bgr

    _, data = cv2.imencode(".jpg", as_bgr(image), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes()


class _Lines:
    """A file of lines; one that is in there already is not added again."""

    def __init__(self, path: Path, key: str) -> None:
        """`key`: what lines are known by."""
        self._file, self._key = AppendFile(path), key
        self._known: dict[Any, int] = {}
        """Lines that were there, by what they are known by, and where they end."""
        self.passed = self._file.size
        """Up to where the file holds what was added: a line behind that is one that is still to come again."""

    @property
    def size(self) -> int:
        return self._file.size

    def know(self, size: int) -> None:
        """Cut off half a line, and know the lines behind the first `size` bytes."""
        kept = 0
        for line in self._file.lines():
            if not line.endswith(b"\n"):
                break
            kept += len(line)
            if kept > size:
                self._known[json.loads(line)[self._key]] = kept
        if kept < self._file.size:
            self._file.cut(kept)
        self.passed = size

    def add(self, rows: list[dict[str, Any]]) -> None:
        new = [row for row in rows if row[self._key] not in self._known]
        self.passed = max([self.passed, *(self._known.get(row[self._key], 0) for row in rows)])
        if new:
            lines = (json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in new)
            self._file.append("".join(lines).encode())
            self.passed = self._file.size

    def sync(self) -> None:
        self._file.sync()

    def close(self) -> None:
        self._file.close()
