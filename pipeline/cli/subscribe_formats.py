"""How `detstream subscribe` prints what it gets."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.client.items import FrameDetections, FrameFailed, FrameSkipped, Gap, Item, SourceEnd
from pipeline.messages import Event, SourceState
from stages.annotator.lines import line_fields

_TYPES: Final[dict[type, str]] = {
    FrameFailed: "failed",
    FrameSkipped: "skipped",
    Gap: "gap",
    SourceEnd: "end",
    SourceState: "state",
    Event: "event",
}
_OBJECTS: Final = "timestamp source seq pts_s class_name class_id confidence x1 y1 x2 y2 tracker_id".split()
_EVENTS: Final = "timestamp source seq pts_s kind class_name confidence tracker_id zone direction value id".split()


def json_lines(item: Item) -> Iterator[str]:
    """Yield a line of JSON: of a frame what the JSONL output has, of all else its fields; `type` says which."""
    if isinstance(item, FrameDetections):
        fields = {"type": "frame", "id": item.id, **line_fields(item.detections), "missed_before": item.missed_before}
    else:
        assert is_dataclass(item)
        fields = {"type": _TYPES[type(item)], **asdict(item)}
    yield json.dumps(fields, separators=(",", ":"), ensure_ascii=False, default=_iso)


def words(item: Item) -> Iterator[str]:
    """Yield a line for people: when, which source, what."""
    at = _moment(item)
    shown = "" if at is None else at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    if at is None and (pts_s := getattr(item, "pts_s", None)) is not None:
        shown = f"{int(pts_s) // 3600:02}:{int(pts_s) // 60 % 60:02}:{pts_s % 60:06.3f}"
    yield f"{shown:12}  {item.source:16}  {_told(item)}"


class Csv:
    """Rows: one an object, or one an event; what is neither is for people, on stderr."""

    def __init__(self, *, events: bool) -> None:
        self._columns = _EVENTS if events else _OBJECTS
        self._begun = False

    def __call__(self, item: Item) -> Iterator[str]:
        """Yield rows, before the first one the names of the columns."""
        if not self._begun:
            self._begun = True
            yield _row(self._columns)
        if isinstance(item, Event):
            plain = asdict(item) | {"timestamp": _iso(_moment(item))}
            yield _row([plain[name] for name in self._columns])
        elif isinstance(item, FrameDetections):
            for found in line_fields(item.detections)["detections"]:
                named = found | dict(zip(("x1", "y1", "x2", "y2"), found["xyxy"], strict=True))
                named |= {"timestamp": _iso(item.timestamp), "source": item.source, "seq": item.seq}
                yield _row([(named | {"pts_s": round(item.pts_s, 6)})[name] for name in self._columns])


def is_printed_as_rows(item: Item) -> bool:
    """Return whether a table of objects or events has a row for it."""
    return isinstance(item, FrameDetections | Event)


def aside(item: Item) -> str:
    """Return in words what has no row."""
    return next(words(item)).strip()


def _told(item: Item) -> str:
    tell = _WORDS[type(item)]
    return tell(item)


def _frame(item: FrameDetections) -> str:
    counts = Counter(item.class_name)
    seen = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"
    return f"#{item.seq}  {seen}" + (f"  ({item.missed_before} missed before)" if item.missed_before else "")


def _gap(item: Gap) -> str:
    if item.reason == "restarted":
        return "the numbers begin anew: frames may come again"
    first = "…" if item.first is None else f"#{item.first}"
    return f"{first} to #{item.last} were removed before they were read"


def _state(item: SourceState) -> str:
    return f"is {item.state}" + (f": {item.error or item.code}" if item.code or item.error else "")


def _end(item: SourceEnd) -> str:
    return f"ended after {item.frames} frames" + (f": {item.error}" if item.error else "")


def _event(item: Event) -> str:
    track = "" if item.tracker_id is None else f" {item.tracker_id}"
    where = "" if item.zone is None else f" {item.zone}"
    value = "" if item.value is None else f" {item.value:g}"
    way = "" if item.direction is None else f" {item.direction}"
    return f"#{item.seq}  {item.kind}{where}{way}{value}  {item.class_name or ''}{track}".rstrip()


_WORDS: Final[dict[type, Callable[[Any], str]]] = {
    FrameDetections: _frame,
    FrameFailed: lambda item: f"#{item.seq}  failed: {item.error}",
    FrameSkipped: lambda item: f"#{item.seq}  not looked at: {item.reason}",
    Gap: _gap,
    SourceState: _state,
    SourceEnd: _end,
    Event: _event,
}


def _moment(item: Item) -> datetime | None:
    if isinstance(item, SourceState):
        return datetime.fromtimestamp(item.since_ns / 1e9, UTC)
    if isinstance(item, Event):
        return None if item.timestamp_s is None else datetime.fromtimestamp(item.timestamp_s, UTC)
    return item.timestamp


def _iso(at: object) -> str | None:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if isinstance(at, datetime) else None


def _row(values: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
