"""The bytes of messages: a versioned envelope, msgpack or, on public streams, JSON."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgpack
import numpy as np

from pipeline import wire_event, wire_source
from pipeline.errors import MessageError
from pipeline.messages import (
    Detections,
    EndOfSource,
    Event,
    FrameMeta,
    Message,
    MinuteCounts,
    PublicMessage,
    SourceState,
    Turn,
)
from pipeline.packing import (
    as_box,
    as_count,
    as_integer,
    as_number,
    as_numbers,
    as_text,
    finite,
    optional,
    pack_array,
    unpack_array,
)

VERSION: Final = 1
Wire: TypeAlias = Literal["msgpack", "json"]
"""How the bodies of public streams are written; a reader tells by the first byte."""
_JSON: Final = b"{"  # of msgpack it would be the number 123, and no message is a number
_CLOCKS: Final = ("begun_ns", "inferred_ns", "published_ns")
_LIMITS: Final = {"max_str_len": 1 << 16, "max_bin_len": 1 << 24, "max_array_len": 1 << 16, "max_map_len": 1 << 8}


def encode(message: Message) -> bytes:
    """Return the message's bytes, arrays inside as raw little-endian bytes with dtype and shape."""
    return _packed(_fields(message), "msgpack")


def encode_public(message: PublicMessage, wire: Wire = "msgpack") -> bytes:
    """Return the body of a public stream's entry: plain lists and maps that any msgpack or JSON reader takes."""
    return _packed(_published_fields(message) if isinstance(message, Detections) else _fields(message), wire)


def public_fields(message: PublicMessage) -> dict[str, Any]:
    """Return what is in the body of a public stream's entry, as plain lists and maps."""
    plain: dict[str, Any] = msgpack.unpackb(encode_public(message))
    return plain


def decode(data: bytes) -> Message:
    """Return the message in `data`, internal or public.

    Raises:
        MessageError: the bytes are damaged, or of a version or kind that we don't know.
    """
    try:
        fields = json.loads(data) if data.startswith(_JSON) else msgpack.unpackb(data, **_LIMITS)
        with np.errstate(over="raise"):  # numpy only warns that a number is too large for its array
            return _build(fields)
    except MessageError:
        raise
    except Exception as error:  # a dozen kinds, ValueError to RecursionError
        raise MessageError(f"damaged message of {len(data)} bytes: {type(error).__name__}: {error!s:.200}") from error


def _packed(fields: Mapping[str, Any], wire: Wire) -> bytes:
    if wire == "json":
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    packed: bytes = msgpack.packb(fields)
    return packed


def _fields(message: Message) -> dict[str, Any]:
    kind, pack = _ENCODERS[type(message)]
    return {"v": VERSION, "type": kind, **pack(message)}


def _build(fields: Any) -> Message:
    if not isinstance(fields, dict) or fields.get("v") != VERSION:
        version = fields.get("v") if isinstance(fields, dict) else None
        raise MessageError(f"message of version {version!r:.80}; this detstream reads version {VERSION}")
    build = _DECODERS.get(fields.get("type", ""))
    if build is None:
        raise MessageError(f"message of unknown type {fields.get('type')!r:.80}")
    return build(fields)


def _frame_fields(meta: FrameMeta) -> dict[str, Any]:
    return {name: getattr(meta, name) for name in FrameMeta.__slots__}


def _read_frame(fields: Mapping[str, Any]) -> FrameMeta:
    return FrameMeta(
        source=as_text(fields["source"]),
        epoch=as_count(fields["epoch"]),
        seq=as_count(fields["seq"]),
        pts_s=as_number(fields["pts_s"]),
        width=as_count(fields["width"]),
        height=as_count(fields["height"]),
        timestamp_s=optional(as_number, fields["timestamp_s"]),
        captured_ns=as_count(fields["captured_ns"]),
        decoded_ns=as_count(fields["decoded_ns"]),
        previous=optional(as_integer, fields.get("previous")),
        corrupt=bool(fields.get("corrupt", False)),
        roi=optional(as_box, fields.get("roi")),
    )


def _gap_fields(found: Detections) -> dict[str, Any]:
    return {"skipped": found.skipped, "dropped_before": found.dropped_before}


def _read_gap(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "skipped": optional(as_text, fields.get("skipped")),
        "dropped_before": as_count(fields.get("dropped_before", 0)),
    }


def _clock_fields(found: Detections) -> dict[str, int]:
    return {name: getattr(found, name) for name in _CLOCKS}


def _read_clocks(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: as_count(fields.get(name, 0)) for name in _CLOCKS}


def _detections_fields(found: Detections) -> dict[str, Any]:
    return {
        "frame": _frame_fields(found.frame),
        "xyxy": pack_array(found.xyxy),
        "confidence": pack_array(found.confidence),
        "class_id": pack_array(found.class_id),
        "class_name": list(found.class_name),
        "tracker_id": pack_array(found.tracker_id),
        "error": found.error,
        **_gap_fields(found),
        **_clock_fields(found),
    }


def _read_detections(fields: Mapping[str, Any]) -> Detections:
    names = tuple(as_text(name) for name in fields["class_name"])
    found = Detections(
        frame=_read_frame(fields["frame"]),
        xyxy=unpack_array(fields["xyxy"], "<f4", (len(names), 4)),
        confidence=unpack_array(fields["confidence"], "<f4", (len(names),)),
        class_id=unpack_array(fields["class_id"], "<i4", (len(names),)),
        class_name=names,
        tracker_id=unpack_array(fields["tracker_id"], "<i8", (len(names),)),
        error=optional(as_text, fields["error"]),
        **_read_gap(fields),
        **_read_clocks(fields),
    )
    return found


def _published_fields(found: Detections) -> dict[str, Any]:
    return {
        "v": VERSION,
        "type": "published",
        **_frame_fields(found.frame),
        "error": found.error,
        **_gap_fields(found),
        **_clock_fields(found),
        "objects": [dict(zip(_OBJECT_FIELDS, row, strict=True)) for row in _rows(found)],
        **wire_event.happened_fields(found),
    }


_OBJECT_FIELDS: Final = ("xyxy", "confidence", "class_id", "class_name", "tracker_id")


def _rows(found: Detections) -> Iterator[tuple[Any, ...]]:
    tracker_ids = [None if number < 0 else number for number in found.tracker_id.tolist()]
    columns = (found.xyxy.tolist(), found.confidence.tolist(), found.class_id.tolist(), found.class_name, tracker_ids)
    return zip(*columns, strict=True)


def _read_published(fields: Mapping[str, Any]) -> Detections:
    objects = fields["objects"]
    column = {name: [item[name] for item in objects] for name in _OBJECT_FIELDS}
    tracker_ids = [-1 if number is None else as_count(number) for number in column["tracker_id"]]
    return Detections(
        frame=_read_frame(fields),
        xyxy=finite(np.asarray([as_numbers(box, 4) for box in column["xyxy"]], np.float32).reshape(len(objects), 4)),
        confidence=finite(np.asarray(as_numbers(column["confidence"], len(objects)), np.float32)),
        class_id=np.asarray([as_integer(number) for number in column["class_id"]], np.int32),
        class_name=tuple(as_text(name) for name in column["class_name"]),
        tracker_id=np.asarray(tracker_ids, np.int64),
        error=optional(as_text, fields["error"]),
        **_read_gap(fields),
        **_read_clocks(fields),
        zones=wire_event.read_zones(fields),
        **wire_event.read_happened(fields),
    )


_ENCODERS: Final[dict[type, tuple[str, Callable[[Any], dict[str, Any]]]]] = {
    FrameMeta: ("frame", _frame_fields),
    Detections: ("detections", _detections_fields),
    EndOfSource: ("end", wire_source.end_fields),
    Turn: ("turn", lambda _: {}),
    SourceState: ("state", wire_source.state_fields),
    Event: ("event", wire_event.event_fields),
    MinuteCounts: ("minute", wire_event.minute_fields),
}
_DECODERS: Final[dict[str, Callable[[Mapping[str, Any]], Message]]] = {
    "frame": _read_frame,
    "detections": _read_detections,
    "published": _read_published,
    "end": wire_source.read_end,
    "turn": lambda _: Turn(),
    "state": wire_source.read_state,
    "event": wire_event.read_event,
    "minute": wire_event.read_minute,
}
