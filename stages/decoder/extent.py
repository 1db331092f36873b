"""Whether a file is as long as it says: what was cut off is noticed where no index tells of it."""

from pathlib import Path
from typing import BinaryIO, Final

_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_FIRST_BOXES: Final = frozenset(b"ftyp styp sidx moov moof mdat free skip wide pnot".split())
_LEAST_BOX: Final = 8
_LONG: Final = 1
"""A box's size that says that the real one follows."""
_RIFF_UNFINISHED: Final = frozenset({0, 0xFFFF_FFFF})
_GIF_ENDS: Final = b";"
_SLACK: Final = 64
"""Bytes by which some writers are wrong."""


def is_cut_off(path: Path) -> bool:
    """Return whether an MP4, MOV, Matroska, WebM, AVI or GIF file says that it is longer than it is.

    Of a fragmented MP4 also if it has something else between its fragments.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_LEAST_BOX)
        if head[4:] in _FIRST_BOXES:
            return _boxes_end(file, size) > size
        if head[:4] == b"RIFF":
            length = int.from_bytes(head[4:], "little")
            return length not in _RIFF_UNFINISHED and length + _LEAST_BOX > size + _SLACK
        if head[:4] == _EBML:
            return _segment_end(file) > size
        if head[:3] == b"GIF":
            file.seek(max(size - _SLACK, 0))
            return not file.read().rstrip(b"\0").endswith(_GIF_ENDS)
    return False


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Return where the last of an MP4's boxes ends (ISO/IEC 14496-12, section 4.2)."""
    at, fragments = 0, False
    while at < size:
        file.seek(at)
        head = file.read(2 * _LEAST_BOX)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == _LONG:
            length = int.from_bytes(head[8:], "big")
        if length < _LEAST_BOX or not kind.isalnum():
            return size + 1 if fragments and length else at  # some cameras put things of their own behind the boxes
        fragments |= kind == b"moof"
        at += length
    return at


def _segment_end(file: BinaryIO) -> int:
    """Return where a Matroska file's segment ends, 0 if it doesn't say."""
    file.seek(len(_EBML))
    header = _length(file)
    file.seek(header or 0, 1)
    if header is None or file.read(len(_SEGMENT)) != _SEGMENT:
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
