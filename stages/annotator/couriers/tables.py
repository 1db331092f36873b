"""The tables of frames, detections and events, and the rows of a parcel."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
)

from stages.annotator.couriers.parcel import Parcel

Row: TypeAlias = dict[str, Any]

_EVENT: Final = ("source", "seq", "kind", "pts_s", "tracker_id", "class_id", "class_name", "confidence")
_EVENT_MORE: Final = ("zone", "direction", "value", "duration_s", "path", "snapshot")
_CORNERS: Final = ("x1", "y1", "x2", "y2")


class Tables:
    """Three tables; each row has a key by which a second copy is known."""

    def __init__(self, prefix: str) -> None:
        self.metadata = MetaData()
        self.frames = self._table(f"{prefix}frames", _identity(), _frame_columns())
        self.detections = self._table(f"{prefix}detections", _identity("number"), _detection_columns())
        self.events = self._table(f"{prefix}events", [_key("run", Text), _key("id", Text)], _event_columns())

    def rows(self, parcel: Parcel) -> Iterator[tuple[Table, Row]]:
        """Yield what is to be inserted for a frame or an event, and where."""
        body = parcel.body
        if parcel.kind == "event":
            yield self.events, _event_row(body)
            return
        place = {name: body[name] for name in ("run", "source", "epoch", "seq")}
        yield self.frames, place | _frame_row(body)
        for number, item in enumerate(body["detections"]):
            yield self.detections, place | {"number": number} | _detection_row(item)

    def _table(self, name: str, keys: list[Column[Any]], columns: list[Column[Any]]) -> Table:
        return Table(name, self.metadata, *keys, *columns)


def _key(name: str, kind: Any) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _identity(*more: str) -> list[Column[Any]]:
    """Return the columns that make a frame, or a part of one, unique; `epoch` is 0 in recordings."""
    return [
        _key("run", Text),
        _key("source", Text),
        _key("epoch", BigInteger),
        _key("seq", BigInteger),
        *(_key(name, Integer) for name in more),
    ]


def _box() -> list[Column[Any]]:
    return [Column(name, Float) for name in _CORNERS]


def _clock() -> list[Column[Any]]:
    return [Column("pts_s", Double, nullable=False), Column("timestamp", DateTime(timezone=True))]


def _frame_columns() -> list[Column[Any]]:
    return [
        *_clock(),
        Column("width", Integer, nullable=False),
        Column("height", Integer, nullable=False),
        Column("status", Text, nullable=False),
        Column("error", Text),
        Column("detections", Integer, nullable=False),
        Column("dropped_before", BigInteger),
        Column("skipped", Text),
        Column("corrupt", Boolean),
    ]


def _detection_columns() -> list[Column[Any]]:
    return [
        Column("class_id", Integer, nullable=False),
        Column("class_name", Text, nullable=False),
        Column("confidence", Float, nullable=False),
        *_box(),
        Column("tracker_id", BigInteger),
    ]


def _event_columns() -> list[Column[Any]]:
    return [
        Column("source", Text, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("kind", Text, nullable=False),
        *_clock(),
        Column("tracker_id", BigInteger),
        Column("class_id", Integer),
        Column("class_name", Text),
        Column("confidence", Float),
        *_box(),
        Column("zone", Text),
        Column("direction", Text),
        Column("value", Double),
        Column("duration_s", Double),
        Column("path", JSON(none_as_null=True)),
        Column("snapshot", Text),
    ]


def _frame_row(body: Mapping[str, Any]) -> Row:
    """Return a frame's columns but its identity; a recording has no `dropped_before`."""
    stamp = body["timestamp"]
    plain = {name: body[name] for name in ("pts_s", "width", "height", "status")}
    more = {name: body.get(name) for name in ("error", "dropped_before", "skipped")}
    of_camera = "dropped_before" in body
    return {
        **plain,
        **more,
        "timestamp": None if stamp is None else datetime.fromisoformat(stamp),
        "detections": len(body["detections"]),
        "corrupt": bool(body.get("corrupt")) if of_camera else None,
    }


def _detection_row(item: Mapping[str, Any]) -> Row:
    plain = {name: item[name] for name in ("class_id", "class_name", "confidence", "tracker_id")}
    return plain | dict(zip(_CORNERS, item["xyxy"], strict=True))


def _event_row(body: Mapping[str, Any]) -> Row:
    stamp_s, box = body["timestamp_s"], body["xyxy"] or [None] * len(_CORNERS)
    plain = {name: body[name] for name in ("run", "id", *_EVENT, *_EVENT_MORE)}
    timestamp = None if stamp_s is None else datetime.fromtimestamp(stamp_s, UTC)
    return plain | {"timestamp": timestamp} | dict(zip(_CORNERS, box, strict=True))
