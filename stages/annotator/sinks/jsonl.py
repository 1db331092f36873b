"""JSON lines: one line a frame, in order."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from pipeline.messages import Detections
from stages.annotator.append_file import AppendFile
from stages.annotator.sink import Counts

_SYNC_EVERY_S: Final = 0.2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class JsonlSink(BaseModel):
    """Settings of the JSON lines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["jsonl"] = "jsonl"

    def outputs(self, folder: Path, source: str) -> tuple[Path, ...]:
        """Return the files that it makes; if one exists, there was a run before."""
        return (folder / f"{source}.jsonl",)

    def build(self, folder: Path, source: str) -> "JsonlWriter":
        """Open the output, or what is there of it.

        Raises:
            SinkError: it can't be written.
        """
        return JsonlWriter(self.outputs(folder, source)[0])


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

    def write(self, found: Detections, image: NDArray[np.uint8] | None = None) -> None:
        """Append the frame's line."""
        if found.frame.seq <= self._done:
            return
        fields = line_fields(found)
        self._file.append(json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
        self._count(fields)
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
            fields = _parsed(line)
            if fields is None or fields["seq"] <= self._done:
                break
            self._count(fields)
            kept += len(line)
        if kept < self._file.size:
            self._file.cut(kept)
        if kept:
            self._file.sync()  # lines of a killed process are perhaps not on disk yet

    def _count(self, fields: dict[str, Any]) -> None:
        self._done, before = fields["seq"], self._counts
        failed = fields["status"] == "failed"
        detections = (before.detections or 0) + len(fields["detections"])
        self._counts = Counts(before.frames + 1, before.failed + failed, detections)


def line_fields(found: Detections) -> dict[str, Any]:
    """Return a line's content; nothing in it depends on how fast the frame was processed."""
    frame = found.frame
    failure = {} if found.error is None else {"error": found.error}
    status = "failed" if failure else "ok" if found.skipped is None else "skipped"
    return {
        "source": frame.source,
        "seq": frame.seq,
        "pts_s": round(frame.pts_s, 6),
        "timestamp": None if frame.timestamp_s is None else _iso(frame.timestamp_s),
        "width": frame.width,
        "height": frame.height,
        "status": status,
        **failure,
        **_of_a_camera(found),
        "detections": _objects(found),
    }


def _of_a_camera(found: Detections) -> dict[str, Any]:
    if found.frame.previous is None:
        return {}
    skipped = {} if found.skipped is None else {"skipped": found.skipped}
    corrupt = {"corrupt": True} if found.frame.corrupt else {}
    return {"dropped_before": found.dropped_before, **skipped, **corrupt}


def _objects(found: Detections) -> list[dict[str, Any]]:
    boxes = (found.xyxy.astype(np.float64).round(2) + 0.0).tolist()  # + 0.0: no -0.0
    confidences = found.confidence.astype(np.float64).round(4).tolist()
    tracks = [None if number < 0 else number for number in found.tracker_id.tolist()]
    rows = zip(boxes, confidences, found.class_id.tolist(), found.class_name, tracks, strict=True)
    return [dict(zip(("xyxy", "confidence", "class_id", "class_name", "tracker_id"), row, strict=True)) for row in rows]


def _iso(timestamp_s: float) -> str:
    """Return ISO 8601 to the nearest millisecond, which `isoformat` would cut to the one before."""
    moment = _EPOCH + timedelta(milliseconds=round(timestamp_s * 1000))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        fields = json.loads(line)
        whole = line.endswith(b"\n") and isinstance(fields["seq"], int) and isinstance(fields["detections"], list)
        return fields if whole and fields["status"] in ("ok", "failed", "skipped") else None
    except (ValueError, KeyError, TypeError):
        return None
