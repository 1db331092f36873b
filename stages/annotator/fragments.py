"""A fragmented MP4 that can be cut and continued after any frame: one fragment a frame, one H.264 stream.

Boxes as in ISO/IEC 14496-12; the fragment's sequence number carries the frame's seq.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from stages.annotator.append_file import AppendFile

TICKS_A_SECOND: Final = 90_000
"""The time base: frames of 25, 30 and 60 a second are whole numbers of it, and so are milliseconds."""

_KEY: Final = 0x02000000
"""sample_depends_on = 2: on none."""
_NOT_KEY: Final = 0x01010000
"""sample_depends_on = 1, sample_is_non_sync_sample."""
_FAILED: Final = 1
"""Ours, in the flags of mfhd that the standard leaves at 0 and no player reads: the picture is a stand-in."""
_LARGEST_HEAD: Final = 4096
_MOOF_SIZE: Final = 100
_OURS: Final = struct.Struct(">IIIq")


@dataclass(frozen=True, slots=True)
class Sample:
    """One encoded frame."""

    seq: int
    ticks: int
    """Of presentation, which is the order of decoding."""
    duration: int
    data: bytes
    """H.264 with start codes (Annex B)."""
    is_key: bool
    failed: bool


@dataclass(frozen=True, slots=True)
class Head:
    """What is before the first fragment."""

    init: bytes
    """ftyp and moov, with the encoder's parameters."""
    width: int
    height: int
    matrix: int
    origin: int
    """Ticks of the source's clock at the file's 0."""

    def pack(self) -> bytes:
        """Return the bytes that start the file."""
        return self.init + _box(b"free", _OURS.pack(self.width, self.height, self.matrix, self.origin))


@dataclass(frozen=True, slots=True)
class Fragment:
    """One whole fragment found in a file."""

    seq: int
    ticks: int
    failed: bool
    end: int
    """Offset of the byte after it."""


def pack(sample: Sample) -> bytes:
    """Return the sample's moof and mdat."""
    body = _with_lengths(sample.data)
    return _moof(sample, len(body)) + _box(b"mdat", body)


def read_head(file: AppendFile) -> tuple[Head, int] | None:
    """Return the head and the offset of its end; None if it is not whole, or not ours."""
    data, bodies, end = file.read(0, _LARGEST_HEAD), [], 0
    for kind in (b"ftyp", b"moov", b"free"):
        size, found = _box_head(data[end : end + 8])
        if found != kind or size < 8 or end + size > len(data):
            return None
        bodies.append(data[end + 8 : end + size])
        end += size
    if len(bodies[2]) != _OURS.size:
        return None
    return Head(data[: end - 8 - _OURS.size], *_OURS.unpack(bodies[2])), end


def read_fragments(file: AppendFile, start: int) -> Iterator[Fragment]:
    """Yield the whole fragments from offset `start` on, up to the first that is cut or damaged."""
    seq = -1
    while found := _fragment_at(file, start):
        if found.seq <= seq:
            return
        yield found
        seq, start = found.seq, found.end


def _fragment_at(file: AppendFile, start: int) -> Fragment | None:
    head = file.read(start, _MOOF_SIZE + 8)
    if len(head) < _MOOF_SIZE + 8:
        return None
    moof, (mdat_size, kind) = head[:_MOOF_SIZE], _box_head(head[_MOOF_SIZE:])
    flags, number = struct.unpack(">II", moof[16:24])
    (ticks,) = struct.unpack(">Q", moof[60:68])
    duration, length, key = struct.unpack(">III", moof[-12:])
    sample = Sample((number or 1) - 1, ticks, duration, b"", key == _KEY, bool(flags))
    end = start + len(head) + length
    if (mdat_size, kind) != (length + 8, b"mdat") or moof != _moof(sample, length) or end > file.size:
        return None
    return Fragment(sample.seq, ticks, sample.failed, end) if _units_fit(file, end - length, end) else None


def _units_fit(file: AppendFile, start: int, end: int) -> bool:
    """Return whether NAL units fill the span; none ends with a zero, as what a loss of power leaves does."""
    if file.read(end - 1, 1) == b"\0":
        return False
    while start < end:
        (length,) = struct.unpack(">I", file.read(start, 4).rjust(4, b"\0"))
        if not length:
            return False
        start += 4 + length
    return start == end


def _moof(sample: Sample, length: int) -> bytes:
    """Return the moof of a sample whose bytes, as many as `length`, follow in an mdat."""
    key = _KEY if sample.is_key else _NOT_KEY
    mfhd = _box(b"mfhd", struct.pack(">II", _FAILED if sample.failed else 0, sample.seq + 1))
    tfhd = _box(b"tfhd", struct.pack(">II", 0x020000, 1))  # offsets are from the moof; track 1
    tfdt = _box(b"tfdt", struct.pack(">IQ", 0x01000000, sample.ticks))
    # One sample, with offset, duration, size and flags.
    trun = _box(b"trun", struct.pack(">IIIIII", 0x000701, 1, _MOOF_SIZE + 8, sample.duration, length, key))
    return _box(b"moof", mfhd + _box(b"traf", tfhd + tfdt + trun))


def _with_lengths(data: bytes) -> bytes:
    """Return the NAL units of an Annex B stream, each after its length; no unit holds or ends like a start code."""
    units = re.split(rb"\x00?\x00\x00\x01", data)[1:]
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _box_head(data: bytes) -> tuple[int, bytes]:
    size, kind = struct.unpack(">I4s", data) if len(data) == 8 else (0, b"")
    return size, kind
