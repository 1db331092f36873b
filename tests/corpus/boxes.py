"""Boxes of an MP4 file (ISO/IEC 14496-12) found and changed, where no muxer writes what a test needs."""

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

Change: TypeAlias = Callable[[bytes], bytes]
"""Makes a box's new content of its old one."""
Edit: TypeAlias = tuple[int, int]
"""Duration in ticks of the movie, and the first tick of the media that is shown; -1: nothing is."""

_HEAD: Final = 8
_LONG_HEAD: Final = 16


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield kind, head and content of each box in a row of them."""
    at = 0
    while at + _HEAD <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = _HEAD
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + _HEAD)[0], _LONG_HEAD
        end = len(data) if size == 0 else at + size
        yield kind, data[at : at + head], data[at + head : end]
        at = end


def box(kind: bytes, content: bytes) -> bytes:
    """Return a box."""
    return struct.pack(">I4s", _HEAD + len(content), kind) + content


def changed(data: bytes, path: Sequence[bytes], change: Change) -> bytes:
    """Return the boxes with the content of each at `path` changed, and the sizes around it.

    Only what stands behind it may move: an index (moov) at the end of the file can be changed freely.
    """
    parts = []
    for kind, head, content in boxes(data):
        if kind != path[0]:
            parts.append(head + content)
            continue
        parts.append(box(kind, changed(content, path[1:], change) if len(path) > 1 else change(content)))
    return b"".join(parts)


def change(path: Path, where: str, how: Change) -> Path:
    """Change the boxes of a file at `where`, such as `moov/trak/edts`, and return its path."""
    kinds = [part.encode() for part in where.split("/")]
    path.write_bytes(changed(path.read_bytes(), kinds, how))
    return path


def set_edits(path: Path, edits: Sequence[Edit]) -> Path:
    """Give each track of a file this edit list instead of its own, and return its path."""
    entries = b"".join(struct.pack(">IiI", duration, start, 1 << 16) for duration, start in edits)
    edit_list = box(b"edts", box(b"elst", struct.pack(">II", 0, len(edits)) + entries))

    def with_edits(track: bytes) -> bytes:
        others = [(kind, head + content) for kind, head, content in boxes(track) if kind != b"edts"]
        return b"".join(whole + (edit_list if kind == b"tkhd" else b"") for kind, whole in others)

    return change(path, "moov/trak", with_edits)
