"""What a tracker adds to what was found, as plain maps, and back: events, and what is counted."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from pipeline.messages import Detections, EndOfSource, Event, MinuteCounts, MinuteRow, ZoneCount
from pipeline.packing import as_count, as_integer, as_number, as_numbers, as_text, optional

_TEXTS: Final = ("class_name", "zone", "direction", "snapshot")
_NUMBERS: Final = ("timestamp_s", "confidence", "value", "duration_s")
_OPTIONAL: Final[dict[str, Callable[[Any], Any]]] = dict.fromkeys(_TEXTS, as_text) | dict.fromkeys(_NUMBERS, as_number)


def event_fields(event: Event) -> dict[str, Any]:
    """Return what is in an event, as lists and numbers."""
    plain = {field.name: getattr(event, field.name) for field in fields(Event)}
    box = None if event.xyxy is None else list(event.xyxy)
    path = None if event.path is None else [list(point) for point in event.path]
    return plain | {"xyxy": box, "path": path}


def read_event(plain: Mapping[str, Any]) -> Event:
    """Return the event in a map; what may be missing there may also be nil.

    Raises:
        MessageError: a value is of another kind.
        KeyError: something is missing that every event has.
    """
    return Event(
        id=as_text(plain["id"]),
        kind=as_text(plain["kind"]),
        source=as_text(plain["source"]),
        epoch=as_count(plain["epoch"]),
        seq=as_count(plain["seq"]),
        pts_s=as_number(plain["pts_s"]),
        tracker_id=optional(as_count, plain.get("tracker_id")),
        class_id=optional(as_integer, plain.get("class_id")),
        xyxy=optional(_as_corners, plain.get("xyxy")),
        path=optional(_as_path, plain.get("path")),
        **{name: optional(read, plain.get(name)) for name, read in _OPTIONAL.items()},
    )


def minute_fields(counts: MinuteCounts) -> dict[str, Any]:
    """Return what is in a minute's counts."""
    rows = [_plain(row) for row in counts.rows]
    return {"source": counts.source, "start_s": counts.start_s, "frames": counts.frames, "rows": rows}


def read_minute(plain: Mapping[str, Any]) -> MinuteCounts:
    """Return the counts in a map.

    Raises:
        MessageError: a value is of another kind.
        KeyError: something is missing.
    """
    rows = tuple(_minute_row(row) for row in plain["rows"])
    return MinuteCounts(as_text(plain["source"]), as_number(plain["start_s"]), as_count(plain["frames"]), rows)


def happened_fields(message: Detections | EndOfSource) -> dict[str, Any]:
    """Return what the tracker added, without what there is nothing of."""
    found = {
        "zones": [_plain(count) for count in message.zones] if isinstance(message, Detections) else [],
        "events": [event_fields(event) for event in message.events],
        "minutes": [minute_fields(counts) for counts in message.minutes],
    }
    return {name: rows for name, rows in found.items() if rows}


def read_happened(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the events and minutes in a map.

    Raises:
        MessageError: a value is of another kind.
        KeyError: something is missing.
    """
    return {
        "events": tuple(read_event(event) for event in plain.get("events", ())),
        "minutes": tuple(read_minute(counts) for counts in plain.get("minutes", ())),
    }


def read_zones(plain: Mapping[str, Any]) -> tuple[ZoneCount, ...]:
    """Return what was counted in the source's zones.

    Raises:
        MessageError: a value is of another kind.
        KeyError: something is missing.
    """
    return tuple(_zone_count(row) for row in plain.get("zones", ()))


def _plain(row: ZoneCount | MinuteRow) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _minute_row(row: Mapping[str, Any]) -> MinuteRow:
    zone, counted = optional(as_text, row["zone"]), (as_count(row["entered"]), as_count(row["left"]))
    return MinuteRow(zone, as_text(row["class_name"]), as_count(row["most"]), as_number(row["mean"]), *counted)


def _zone_count(row: Mapping[str, Any]) -> ZoneCount:
    inside = optional(as_count, row["inside"])
    points = tuple(_as_point(point) for point in row.get("points", ()))
    return ZoneCount(as_text(row["zone"]), as_count(row["entered"]), as_count(row["left"]), inside, points)


def _as_point(value: Any) -> tuple[int, int]:
    x, y = (as_integer(number) for number in value)
    return x, y


def _as_corners(value: Any) -> tuple[float, float, float, float]:
    left, top, right, bottom = as_numbers(value, 4)
    return left, top, right, bottom


def _as_path(value: Any) -> tuple[tuple[float, float, float], ...]:
    return tuple((at_s, x, y) for at_s, x, y in (as_numbers(point, 3) for point in value))
