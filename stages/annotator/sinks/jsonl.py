"""JSON lines: one line a frame, in order."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict

from pipeline.frame import Planar
from pipeline.messages import Detections
from stages.annotator.append_file import AppendFile
from stages.annotator.lines import line_of, parsed
from stages.annotator.sink import Counts

_SYNC_EVERY_S: Final = 0.2


class JsonlSink(BaseModel):
    """Settings of the JSON lines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["jsonl"] = "jsonl"

    def outputs(self, folder: Path, stem: str, source: str = "") -> tuple[Path, ...]:
        """Return the files that it makes; if one exists, there was a run before."""
        return (folder / f"{stem}.jsonl",)

    def build(self, folder: Path, stem: str, recording: Path | None = None) -> "JsonlWriter":
        """Open the output, or what is there of it.

        Raises:
            SinkError: it can't be written.
        """
        return JsonlWriter(self.outputs(folder, stem)[0])


class JsonlWriter:
    """Writes each frame once, in order; durable after at most 0.2 s of writing, or a `flush`."""

    kind: ClassVar = "jsonl"
    needs_pixels: ClassVar = False

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._clock = AppendFile(path), clock
        self._done, self._counts = -1, Counts(detections=0)
        self._recover()
        self._durable = self._done
        self._synced_s = float("-inf")

    @property
    def done(self) -> int:
        """Last seq written."""
        return self._done

    @property
    def durable(self) -> int:
        """Last seq on disk."""
        return self._durable

    def counts(self) -> Counts:
        """Return what is in the file."""
        return self._counts

    def write(self, found: Detections, image: Planar | None = None) -> None:
        """Append the frame's line."""
        if found.frame.seq <= self._done:
            return
        self._file.append(line_of(found))
        self._count(found.frame.seq, found.error is not None, len(found))
        if self._clock() - self._synced_s >= _SYNC_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Put on disk what was written."""
        if self._durable < self._done:
            self._file.sync()
            self._durable = self._done
            self._synced_s = self._clock()

    def finish(self, frames: int, error: str | None) -> None:
        """Put the rest on disk; the form is final all the time."""
        self.close()

    def close(self) -> None:
        """Put the rest on disk and free the file."""
        try:
            self.flush()
        finally:
            self._file.close()

    def _recover(self) -> None:
        """Keep the whole lines that are there; a crash may have left half a line, or zeros."""
        kept = 0
        for line in self._file.lines():
            fields = parsed(line)
            if fields is None or fields["seq"] <= self._done:
                break
            self._count(fields["seq"], fields["status"] == "failed", len(fields["detections"]))
            kept += len(line)
        if kept < self._file.size:
            self._file.cut(kept)
        if kept:
            self._file.sync()  # lines of a killed process are perhaps not on disk yet

    def _count(self, seq: int, failed: bool, detections: int) -> None:
        self._done, before = seq, self._counts
        self._counts = Counts(before.frames + 1, before.failed + failed, (before.detections or 0) + detections)
