"""Whether a file is as long as it says: what was cut off is noticed where no index tells of it."""

from pathlib import Path
from typing import BinaryIO, Final

_EBML: Final = 0x1A45_DFA3
_SEGMENT: Final = 0x1853_8067
_TOP_BOXES: Final = frozenset(b"ftyp styp sidx moov moof mdat free skip wide uuid pnot mfra".split())
_LONG: Final = 1
"""A box's size that says that the real one follows."""
_RIFF_UNFINISHED: Final = frozenset({0, 0xFFFF_FFFF})
_SLACK: Final = 64
"""Bytes by which some writers are wrong."""


def is_cut_off(path: Path) -> bool:
    """Return whether an MP4, MOV, Matroska, WebM or AVI file says that it is longer than it is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        if head[4:] in _TOP_BOXES:
            return _boxes_end(file, size) > size
        if head[:4] == b"RIFF":
            return _riff_end(file) > size + _SLACK
        if head[:4] == _EBML.to_bytes(4, "big"):
            return _segment_end(file) > size
    return False


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Return where the last of an MP4's boxes ends; what is none is not looked at."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == _LONG:
            length = int.from_bytes(head[8:16], "big")
        if head[4:8] not in _TOP_BOXES or length < 8:
            break
        at += length
    return at


def _riff_end(file: BinaryIO) -> int:
    length = int.from_bytes(file.read(8)[4:], "little")
    return 0 if length in _RIFF_UNFINISHED else 8 + length


def _segment_end(file: BinaryIO) -> int:
    """Return where a Matroska file's segment ends, 0 if it doesn't say."""
    file.seek(len(_EBML.to_bytes(4, "big")))
    header = _length(file)
    file.seek(header or 0, 1)
    if header is None or int.from_bytes(file.read(4), "big") != _SEGMENT:
        return 0
    length = _length(file)
    return 0 if length is None else file.tell() + length


def _length(file: BinaryIO) -> int | None:
    """Read a variable-length number (RFC 8794, section 4), None if it says that nobody knows."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    number = int.from_bytes(first + file.read(more), "big") & ((1 << bits) - 1)
    return None if number == (1 << bits) - 1 else number
