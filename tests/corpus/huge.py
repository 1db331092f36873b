"""Recordings that declare sizes which nobody has memory for."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from tests.corpus import boxes

Edit: TypeAlias = Callable[[Path], None]

_TABLE: Final = "moov/trak/mdia/minf/stbl"
_MANY: Final = 0x7FFF_FFF0
_VP9_KEY: Final = b"\x49\x83\x42"
_SIDE: Final = 65_500
"""Of a picture, in pixels: 13 GB as BGR."""
_CLUSTER: Final = b"\x1f\x43\xb6\x75"


def data_box(path: Path) -> None:
    """Say that an MP4's data are 4 EB long."""
    data = path.read_bytes()
    parts = [
        (b"\0\0\0\1mdat" + struct.pack(">Q", 1 << 62) if kind == b"mdat" else head) + content
        for kind, head, content in boxes.boxes(data)
    ]
    path.write_bytes(b"".join(parts))


def sample_size(path: Path) -> None:
    """Say that an MP4's twentieth frame has 2 GB."""
    boxes.change(path, f"{_TABLE}/stsz", lambda old: old[: 12 + 19 * 4] + struct.pack(">I", _MANY) + old[16 + 19 * 4 :])


def sample_count(path: Path) -> None:
    """Say that an MP4 has 2 billion frames."""
    boxes.change(path, f"{_TABLE}/stsz", lambda old: old[:8] + struct.pack(">I", _MANY) + old[12:])


def same_samples(path: Path) -> None:
    """Say that an MP4 has 2 billion frames of a byte each, at steady times; no table contradicts."""
    boxes.change(path, f"{_TABLE}/stsz", lambda old: struct.pack(">III", 0, 1, _MANY))
    boxes.change(path, f"{_TABLE}/stts", lambda old: struct.pack(">IIII", 0, 1, _MANY, 1))


def time_table(path: Path) -> None:
    """Say that an MP4's list of times has 2 billion entries."""
    boxes.change(path, f"{_TABLE}/stts", lambda old: old[:4] + struct.pack(">I", _MANY) + old[8:])


def index_box(path: Path) -> None:
    """Say that a table of an MP4's index is longer than all of it."""
    data = bytearray(path.read_bytes())
    at = data.index(b"stco") - 4
    data[at : at + 4] = struct.pack(">I", _MANY)
    path.write_bytes(data)


def chunk(path: Path) -> None:
    """Say that an AVI's twentieth chunk has 4 GB."""
    data = bytearray(path.read_bytes())
    at = data.index(b"movi")
    for _ in range(20):
        at = data.index(b"00dc", at + 4)
    data[at + 4 : at + 8] = b"\xff\xff\xff\xf0"
    path.write_bytes(data)


def cluster(path: Path) -> None:
    """Say that a Matroska file's second cluster has 2^55 bytes."""
    _put_behind(path, _CLUSTER, b"\x01\x7f\xff\xff\xff\xff\xff\xff")


def vp9(path: Path) -> None:
    """Say that the pictures of VP9 are huge."""
    size = (_SIDE - 1) << 16 | (_SIDE - 1)
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(_VP9_KEY, at + 1)) >= 0:
        old = int.from_bytes(data[at + 3 : at + 8], "big")
        data[at + 3 : at + 8] = (old & ~(0xFFFF_FFFF << 4) | size << 4).to_bytes(5, "big")
    path.write_bytes(data)


def jpeg(path: Path) -> None:
    """Say that the pictures of Motion JPEG are huge."""
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(b"\xff\xc0\0\x11\x08", at + 1)) >= 0:
        data[at + 5 : at + 9] = struct.pack(">HH", _SIDE, _SIDE)
    path.write_bytes(data)


def gif(path: Path) -> None:
    """Say that a GIF is huge."""
    data = bytearray(path.read_bytes())
    data[6:10] = struct.pack("<HH", _SIDE, _SIDE)
    path.write_bytes(data)


def track(path: Path) -> None:
    """Say in an MP4's index that its pictures are huge; the codec knows better."""
    data = bytearray(path.read_bytes())
    at = data.index(b"avc1", data.index(b"stsd")) + 28
    data[at : at + 4] = struct.pack(">HH", _SIDE, _SIDE)
    path.write_bytes(data)


def _put_behind(path: Path, mark: bytes, what: bytes) -> None:
    data = bytearray(path.read_bytes())
    at = data.index(mark) + len(mark)
    data[at : at + len(what)] = what
    path.write_bytes(data)


OF_MP4: Final[Sequence[Edit]] = (data_box, sample_size, sample_count, same_samples, time_table, index_box, track)
