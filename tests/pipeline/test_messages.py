"""The wire: its golden bytes, round trips, and that no bytes do more harm than a MessageError."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.errors import MessageError
from pipeline.messages import Detections, EndOfSource, Event, FrameMeta, Message, SourceState, Turn, ZoneCount
from pipeline.wire import decode, encode, encode_public, public_fields
from tests.pipeline.message_examples import FOUND, FRAME, INTERNAL, PUBLIC, plain

GOLDEN = Path(__file__).parents[1] / "data" / "messages"
EXAMPLES = sorted(path.name for path in GOLDEN.glob("*.msgpack"))

COUNTS = st.integers(0, 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SECONDS = st.floats(allow_nan=False, allow_infinity=False)
FRAMES = st.builds(
    FrameMeta,
    TEXTS,
    COUNTS,
    COUNTS,
    SECONDS,
    COUNTS,
    COUNTS,
    st.none() | SECONDS,
    captured_ns=COUNTS,
    decoded_ns=COUNTS,
    previous=st.none() | st.integers(-1, 2**63 - 1),
    corrupt=st.booleans(),
    roi=st.none() | st.tuples(COUNTS, COUNTS, COUNTS, COUNTS),
)
ENDS = st.builds(EndOfSource, TEXTS, COUNTS, COUNTS, st.none() | TEXTS)
OTHERS = st.builds(Turn) | st.builds(
    SourceState, TEXTS, COUNTS, TEXTS, COUNTS, st.none() | TEXTS, st.none() | TEXTS, *[COUNTS] * 5, SECONDS
)

CORNERS = st.tuples(SECONDS, SECONDS, SECONDS, SECONDS)
EVENTS = st.builds(
    Event,
    *[TEXTS] * 3,
    COUNTS,
    COUNTS,
    SECONDS,
    timestamp_s=st.none() | SECONDS,
    tracker_id=st.none() | COUNTS,
    class_id=st.none() | st.integers(-(2**31), 2**31 - 1),
    class_name=st.none() | TEXTS,
    confidence=st.none() | SECONDS,
    xyxy=st.none() | CORNERS,
    zone=st.none() | TEXTS,
    direction=st.none() | TEXTS,
    value=st.none() | SECONDS,
    duration_s=st.none() | SECONDS,
    path=st.none() | st.lists(st.tuples(SECONDS, SECONDS, SECONDS), max_size=4).map(tuple),
    snapshot=st.none() | TEXTS,
)


@st.composite
def detections(draw: st.DrawFn) -> Detections:
    count = draw(st.integers(0, 5))
    floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
    return Detections(
        frame=draw(FRAMES),
        xyxy=draw(arrays(np.float32, (count, 4), elements=floats)),
        confidence=draw(arrays(np.float32, count, elements=floats)),
        class_id=draw(arrays(np.int32, count)),
        class_name=tuple(draw(st.lists(TEXTS, min_size=count, max_size=count))),
        tracker_id=draw(arrays(np.int64, count, elements=st.integers(-1, 2**63 - 1))),
        error=draw(st.none() | TEXTS),
        skipped=draw(st.none() | TEXTS),
        dropped_before=draw(COUNTS),
        begun_ns=draw(COUNTS),
        inferred_ns=draw(COUNTS),
        published_ns=draw(COUNTS),
    )


def survives(data: bytes) -> Message | None:
    """Decode, where a MessageError of one short line is the only way to fail."""
    try:
        return decode(data)
    except MessageError as error:
        complaint = str(error)
    assert "\n" not in complaint
    assert len(complaint) < 400
    return None


def test_every_golden_file_is_of_an_example() -> None:
    assert set(EXAMPLES) == {f"{name}.msgpack" for name in [*INTERNAL, *PUBLIC]}


@pytest.mark.parametrize("name", INTERNAL)
def test_internal_messages_have_their_golden_bytes(name: str) -> None:
    golden = (GOLDEN / f"{name}.msgpack").read_bytes()
    assert encode(INTERNAL[name]) == golden
    assert plain(decode(golden)) == plain(INTERNAL[name])


@pytest.mark.parametrize("name", PUBLIC)
def test_public_messages_have_their_golden_bytes(name: str) -> None:
    golden = (GOLDEN / f"{name}.msgpack").read_bytes()
    assert encode_public(PUBLIC[name]) == golden
    assert plain(decode(golden)) == plain(PUBLIC[name])


@pytest.mark.parametrize(
    "old", sorted(GOLDEN.glob("0.*/*.msgpack")), ids=lambda path: f"{path.parent.name} {path.stem}"
)
def test_what_older_versions_sent_is_still_read(old: Path) -> None:
    assert plain(decode(old.read_bytes())) == plain((INTERNAL | PUBLIC)[old.stem])


@pytest.mark.parametrize("name", PUBLIC)
def test_public_messages_may_be_json_too(name: str) -> None:
    body = encode_public(PUBLIC[name], "json")
    assert json.loads(body) == msgpack.unpackb(encode_public(PUBLIC[name])) == public_fields(PUBLIC[name])
    assert plain(decode(body)) == plain(PUBLIC[name])


@pytest.mark.parametrize(
    "body", [b"{", b"{}", b'{"v": 1, "type": "end"}', b'{"v": 1, "type": "end", "epoch": NaN}', b"{\xff}"]
)
def test_json_that_is_no_message_is_a_message_error(body: bytes) -> None:
    with pytest.raises(MessageError):
        decode(body)


def test_a_public_message_is_plain_maps_and_lists() -> None:
    read = msgpack.unpackb(encode_public(FOUND))
    assert (read["v"], read["type"], read["source"], read["seq"]) == (1, "published", "car-park", 41)
    assert read["objects"][0] == {
        "xyxy": [10.5, 20.25, 110.0, 220.0],
        "confidence": float(np.float32(0.9)),
        "class_id": 2,
        "class_name": "car",
        "tracker_id": 7,
    }
    assert read["objects"][1]["tracker_id"] is None


@given(message=FRAMES | ENDS | OTHERS | detections())
def test_internal_messages_come_back_as_they_were(message: Message) -> None:
    assert plain(decode(encode(message))) == plain(message)


POINTS = st.lists(st.tuples(COUNTS, COUNTS), max_size=4).map(tuple)


@given(zones=st.lists(st.builds(ZoneCount, TEXTS, COUNTS, COUNTS, st.none() | COUNTS, POINTS), max_size=3))
def test_what_is_counted_in_zones_comes_back_as_it_was(zones: list[ZoneCount]) -> None:
    message = replace(FOUND, zones=tuple(zones))
    assert plain(decode(encode_public(message))) == plain(message)


@given(message=ENDS | EVENTS | detections())
def test_public_messages_come_back_as_they_were(message: Detections | EndOfSource | Event) -> None:
    assert plain(decode(encode_public(message))) == plain(message)


def test_arrays_of_a_decoded_message_own_their_memory() -> None:
    found = decode(encode(FOUND))
    assert isinstance(found, Detections)
    for array in (found.xyxy, found.confidence, found.class_id, found.tracker_id):
        assert array.flags.writeable
        assert array.dtype.isnative


def test_arrays_of_foreign_byte_order_and_layout_are_sent_little_endian() -> None:
    foreign = Detections(
        frame=FRAME,
        xyxy=np.asfortranarray(FOUND.xyxy.astype(">f4")),
        confidence=FOUND.confidence[::-1][::-1],
        class_id=FOUND.class_id.astype(">i4"),
        class_name=FOUND.class_name,
        tracker_id=FOUND.tracker_id.astype(">i8"),
        inferred_ns=FOUND.inferred_ns,
        published_ns=FOUND.published_ns,
    )
    assert encode(foreign) == encode(FOUND)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_never_reaches_a_tracker(number: float) -> None:
    box = np.full((1, 4), number, np.float32)
    one = (np.ones(1, np.float32), np.ones(1, np.int32), ("car",), np.ones(1, np.int64))
    for message in (Detections(FRAME, box, *one), replace(FRAME, pts_s=number), replace(FRAME, timestamp_s=number)):
        with pytest.raises(MessageError, match=r"no number|NaN or infinity"):
            decode(encode(message))
    with pytest.raises(MessageError, match="no number"):
        decode(encode_public(Detections(FRAME, box, *one)))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"v": 2, "type": "frame"}, "version 2; this detstream reads version 1"),
        ({"type": "frame"}, "version None"),
        ([1, 2], "version None"),
        ({"v": 1, "type": "hello\nworld"}, "unknown type"),
        ({"v": 1, "type": ["frame"]}, "damaged"),
        ({"v": 1, "type": "end", "source": 5}, "no text"),
        ({"v": 1, "type": "end", "error": None, "source": "a", "epoch": -1}, "no count"),
        ({"v": 1, "type": "end", "error": None, "source": "a", "epoch": True}, "no count"),
        ({"v": 1, "type": "end"}, "damaged"),
        ({"v": "x" * 60_000}, "version"),
        ({"v": 1, "type": "x\n" * 30_000}, "unknown type"),
    ],
)
def test_a_message_of_another_kind_says_what_is_wrong(fields: Any, complaint: str) -> None:
    data = msgpack.packb(fields)
    assert survives(data) is None
    with pytest.raises(MessageError, match=complaint):
        decode(data)


@pytest.mark.parametrize("name", ["xyxy", "confidence", "class_id", "tracker_id"])
@pytest.mark.parametrize(
    "packed", [["<f8", [1], b"12345678"], ["\n" * 9999, [2], b""], [[[]], {}, 5], [], None, b"abc"]
)
def test_an_array_of_another_kind_is_refused(name: str, packed: Any) -> None:
    assert survives(_changed(encode(FOUND), (name,), packed)) is None


def test_an_array_of_too_few_bytes_is_refused() -> None:
    assert survives(_changed(encode(FOUND), ("class_id",), ["<i4", [2], b"1234"])) is None


def test_a_number_too_large_for_its_array_is_refused() -> None:
    for name, number in (("confidence", 1e300), ("class_id", 2**40), ("tracker_id", 2**64 - 1)):
        fields = msgpack.unpackb(encode_public(FOUND))
        fields["objects"][0][name] = number
        assert survives(msgpack.packb(fields)) is None


SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(max_size=40)
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5)
)


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return packed


def _changed(data: bytes, place: tuple[Any, ...], value: Any) -> bytes:
    fields = msgpack.unpackb(data)
    inside = fields
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return _pack(fields)


def _places(value: Any) -> list[tuple[Any, ...]]:
    """Return the way to every value inside a message."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [(key, *rest) for key in keys for rest in [(), *_places(value[key])]]


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_a_message_or_a_message_error(data: bytes) -> None:
    survives(data)


@given(
    value=ANYTHING,
    kind=st.sampled_from(["frame", "detections", "published", "end", "turn", "state", "event", "minute"]),
)
def test_arbitrary_structures_are_a_message_or_a_message_error(value: Any, kind: str) -> None:
    survives(_pack(value))
    survives(
        _pack({"v": 1, "type": kind, **(value if isinstance(value, dict) else {"objects": value, "frame": value})})
    )


@given(chosen=st.data(), name=st.sampled_from(EXAMPLES), value=ANYTHING)
def test_a_message_with_one_value_changed_is_a_message_or_a_message_error(
    chosen: st.DataObject, name: str, value: Any
) -> None:
    data = (GOLDEN / name).read_bytes()
    place = chosen.draw(st.sampled_from(_places(msgpack.unpackb(data))))
    survives(_changed(data, place, value))


@given(chosen=st.data(), name=st.sampled_from(EXAMPLES), patch=st.binary(max_size=4), removed=st.integers(0, 8))
def test_a_message_with_damaged_bytes_is_a_message_or_a_message_error(
    chosen: st.DataObject, name: str, patch: bytes, removed: int
) -> None:
    data = (GOLDEN / name).read_bytes()
    start = chosen.draw(st.integers(0, len(data)))
    survives(data[:start] + patch + data[start + removed :])


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_message_cut_short_or_with_bytes_behind_is_refused(name: str) -> None:
    data = (GOLDEN / name).read_bytes()
    for length in range(len(data)):
        assert survives(data[:length]) is None
    assert survives(data + b"\x00") is None


@pytest.mark.parametrize(
    "opening", [b"\x91", b"\x81\xa1a", b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc9\x7f"]
)
def test_bombs_are_refused(opening: bytes) -> None:
    assert survives(opening * 10_000) is None
