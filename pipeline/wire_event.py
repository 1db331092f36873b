"""Events and what is counted in zones as plain maps, and back."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from pipeline.messages import Detections, Event, ZoneCount
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


def zone_fields(found: Detections) -> dict[str, Any]:
    """Return what was counted in the source's zones, nothing where it has none."""
    rows = [{field.name: getattr(count, field.name) for field in fields(ZoneCount)} for count in found.zones]
    return {"zones": rows} if rows else {}


def read_zones(plain: Mapping[str, Any]) -> tuple[ZoneCount, ...]:
    """Return what was counted in the source's zones.

    Raises:
        MessageError: a value is of another kind.
        KeyError: something is missing.
    """
    return tuple(_zone_count(row) for row in plain.get("zones", ()))


def _zone_count(row: Mapping[str, Any]) -> ZoneCount:
    inside = optional(as_count, row["inside"])
    return ZoneCount(as_text(row["zone"]), as_count(row["entered"]), as_count(row["left"]), inside)


def _as_corners(value: Any) -> tuple[float, float, float, float]:
    left, top, right, bottom = as_numbers(value, 4)
    return left, top, right, bottom


def _as_path(value: Any) -> tuple[tuple[float, float, float], ...]:
    return tuple((at_s, x, y) for at_s, x, y in (as_numbers(point, 3) for point in value))
