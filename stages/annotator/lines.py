"""A line of JSON a frame: what is in it, and back."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.messages import Detections, FrameMeta
from stages.annotator.derived import Row

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OBJECT: Final = ("xyxy", "confidence", "class_id", "class_name", "tracker_id")
_STATUSES: Final = ("ok", "failed", "skipped")


def line_of(found: Detections) -> bytes:
    """Return a frame's line, with the newline."""
    return json.dumps(line_fields(found), separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


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


def parsed(line: bytes) -> dict[str, Any] | None:
    """Return a line's content, None if it is not whole."""
    with suppress(ValueError, KeyError, TypeError):
        fields = json.loads(line)
        whole = line.endswith(b"\n") and isinstance(fields["seq"], int) and isinstance(fields["detections"], list)
        if whole and fields["status"] in _STATUSES:
            return dict(fields)
    return None


def read_fields(path: Path, offset: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the content of each line from an offset on, behind the offset of its end, up to one that is not whole."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        for line in file:
            fields = parsed(line)
            if fields is None:
                return
            offset += len(line)
            yield offset, fields


def rows_in(path: Path) -> Iterator[Row]:
    """Yield what the lines tell, up to one that is not whole."""
    return (row_of(fields) for _, fields in read_fields(path))


def row_of(fields: Mapping[str, Any]) -> Row:
    """Return what a line tells of its frame."""
    names = ("confidence", "class_id", "class_name", "tracker_id")
    objects = tuple((*item["xyxy"], *(item[name] for name in names)) for item in fields["detections"])
    return Row(fields["seq"], fields["pts_s"], fields["status"], objects)


def shown_s(fields: Mapping[str, Any]) -> float:
    """Return the time of a line's frame: in the recording, or of the day for a camera, whose pts may begin anew."""
    stamp = fields["timestamp"] if "dropped_before" in fields else None
    return float(fields["pts_s"]) if stamp is None else datetime.fromisoformat(stamp).timestamp()


def ends_of(path: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the content of the first line and of the last one, None if there is none."""
    first = next((fields for _, fields in read_fields(path)), None)
    if first is None:
        return None
    size = path.stat().st_size
    with path.open("rb") as file:
        for reach in (1 << 16, 1 << 20, size):
            file.seek(max(size - reach, 0))
            lines = file.read().splitlines(keepends=True)[0 if reach >= size else 1 :]
            if found := next((fields for line in reversed(lines) if (fields := parsed(line))), None):
                return first, found
    return first, first


def found_in(fields: dict[str, Any], epoch: int) -> Detections:
    """Return the frame that a line tells of; boxes and confidences are those that the tracker saw."""
    objects = fields["detections"]
    column = {name: [item[name] for item in objects] for name in _OBJECT}
    timestamp = fields["timestamp"]
    return Detections(
        frame=FrameMeta(
            source=fields["source"],
            epoch=epoch,
            seq=fields["seq"],
            pts_s=float(fields["pts_s"]),
            width=fields["width"],
            height=fields["height"],
            timestamp_s=None if timestamp is None else datetime.fromisoformat(timestamp).timestamp(),
        ),
        xyxy=np.asarray(column["xyxy"], np.float32).reshape(len(objects), 4),
        confidence=np.asarray(column["confidence"], np.float32),
        class_id=np.asarray(column["class_id"], np.int32),
        class_name=tuple(column["class_name"]),
        tracker_id=np.asarray([-1 if number is None else number for number in column["tracker_id"]], np.int64),
        error=fields.get("error"),
        skipped=fields.get("skipped"),
        dropped_before=fields.get("dropped_before", 0),
    )


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
    return [dict(zip(_OBJECT, row, strict=True)) for row in rows]


def _iso(timestamp_s: float) -> str:
    """Return ISO 8601 to the nearest millisecond, which `isoformat` would cut to the one before."""
    moment = _EPOCH + timedelta(milliseconds=round(timestamp_s * 1000))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
