"""What stages tell each other, and its bytes: a versioned msgpack envelope."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import msgpack
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MessageError
from pipeline.packing import as_count, as_integer, as_number, as_numbers, as_text, finite, pack_array, unpack_array

VERSION: Final = 1
_LIMITS: Final = {"max_str_len": 1 << 16, "max_bin_len": 1 << 24, "max_array_len": 1 << 16, "max_map_len": 1 << 8}


@dataclass(frozen=True, slots=True)
class FrameMeta:
    """Identity and clocks of one frame; the pixels are in the frame store under (source, epoch, seq)."""

    source: str
    epoch: int
    """Counts the restarts of the source; messages of an older epoch are refused."""
    seq: int
    """Number of the frame in its source, from 0 without holes."""
    pts_s: float
    """Presentation time in seconds from the start of the recording's clock."""
    width: int
    """Of the original frame, in pixels, after rotation."""
    height: int
    timestamp_s: float | None = None
    """Capture time in seconds since 1970 (UTC), if the source knows it."""
    captured_ns: int = 0
    """Wall clock when the packet was read."""
    decoded_ns: int = 0
    """Wall clock when the pixels were in the store."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Objects found in one frame, best first; or, with an error, the frame that could not be looked at."""

    frame: FrameMeta
    xyxy: NDArray[np.float32]
    """Boxes, shape (N, 4), in pixels of the original frame, inside it."""
    confidence: NDArray[np.float32]
    """In [0, 1], shape (N,), best first."""
    class_id: NDArray[np.int32]
    """Shape (N,)."""
    class_name: tuple[str, ...]
    """One a detection, length N."""
    tracker_id: NDArray[np.int64]
    """Shape (N,), from 1 in each source; -1 where no track is confirmed."""
    error: str | None = None
    """Why the frame was not looked at; None if it was."""
    inferred_ns: int = 0
    """Wall clock when the engine had answered."""
    published_ns: int = 0
    """Wall clock when the tracker published it."""

    def __len__(self) -> int:
        return len(self.class_id)

    @classmethod
    def failed(cls, frame: FrameMeta, error: str) -> "Detections":
        """Return the record of a frame that could not be looked at."""
        return replace(cls.none(frame), error=error)

    @classmethod
    def none(cls, frame: FrameMeta) -> "Detections":
        """Return the record of a frame in which nothing was found."""
        floats = np.zeros(0, np.float32)
        return cls(frame, floats.reshape(0, 4), floats, np.zeros(0, np.int32), (), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class EndOfSource:
    """The last word of a source: how many frames it had, and why it ended early if it did."""

    source: str
    epoch: int
    frames: int
    error: str | None = None


Message: TypeAlias = FrameMeta | Detections | EndOfSource


def encode(message: Message) -> bytes:
    """Return the message's bytes, arrays inside as raw little-endian bytes with dtype and shape."""
    kind, pack = _ENCODERS[type(message)]
    packed: bytes = msgpack.packb({"v": VERSION, "type": kind, **pack(message)})
    return packed


def encode_public(message: Detections | EndOfSource) -> bytes:
    """Return the bytes of a public stream's entry: plain lists and maps that any msgpack reader takes."""
    if isinstance(message, EndOfSource):
        return encode(message)
    clocks = {"error": message.error, "inferred_ns": message.inferred_ns, "published_ns": message.published_ns}
    objects = [dict(zip(_OBJECT_FIELDS, row, strict=True)) for row in _rows(message)]
    body = {"v": VERSION, "type": "published", **_frame_fields(message.frame), **clocks, "objects": objects}
    packed: bytes = msgpack.packb(body)
    return packed


def decode(data: bytes) -> Message:
    """Return the message in `data`, internal or public.

    Raises:
        MessageError: the bytes are damaged, or of a version or kind that we don't know.
    """
    try:
        fields = msgpack.unpackb(data, **_LIMITS)
        with np.errstate(over="raise"):  # numpy only warns that a number is too large for its array
            return _build(fields)
    except MessageError:
        raise
    except Exception as error:  # msgpack raises a dozen kinds, ValueError to RecursionError
        raise MessageError(f"damaged message of {len(data)} bytes: {type(error).__name__}: {error!s:.200}") from error


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
    timestamp_s = fields["timestamp_s"]
    return FrameMeta(
        source=as_text(fields["source"]),
        epoch=as_count(fields["epoch"]),
        seq=as_count(fields["seq"]),
        pts_s=as_number(fields["pts_s"]),
        width=as_count(fields["width"]),
        height=as_count(fields["height"]),
        timestamp_s=None if timestamp_s is None else as_number(timestamp_s),
        captured_ns=as_count(fields["captured_ns"]),
        decoded_ns=as_count(fields["decoded_ns"]),
    )


def _detections_fields(found: Detections) -> dict[str, Any]:
    return {
        "frame": _frame_fields(found.frame),
        "xyxy": pack_array(found.xyxy),
        "confidence": pack_array(found.confidence),
        "class_id": pack_array(found.class_id),
        "class_name": list(found.class_name),
        "tracker_id": pack_array(found.tracker_id),
        "error": found.error,
        "inferred_ns": found.inferred_ns,
        "published_ns": found.published_ns,
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
        error=None if fields["error"] is None else as_text(fields["error"]),
        inferred_ns=as_count(fields["inferred_ns"]),
        published_ns=as_count(fields["published_ns"]),
    )
    return found


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
        error=None if fields["error"] is None else as_text(fields["error"]),
        inferred_ns=as_count(fields["inferred_ns"]),
        published_ns=as_count(fields["published_ns"]),
    )


def _end_fields(end: EndOfSource) -> dict[str, Any]:
    return {"source": end.source, "epoch": end.epoch, "frames": end.frames, "error": end.error}


def _read_end(fields: Mapping[str, Any]) -> EndOfSource:
    error = None if fields["error"] is None else as_text(fields["error"])
    return EndOfSource(as_text(fields["source"]), as_count(fields["epoch"]), as_count(fields["frames"]), error)


_ENCODERS: Final[dict[type, tuple[str, Callable[[Any], dict[str, Any]]]]] = {
    FrameMeta: ("frame", _frame_fields),
    Detections: ("detections", _detections_fields),
    EndOfSource: ("end", _end_fields),
}
_DECODERS: Final[dict[str, Callable[[Mapping[str, Any]], Message]]] = {
    "frame": _read_frame,
    "detections": _read_detections,
    "published": _read_published,
    "end": _read_end,
}
