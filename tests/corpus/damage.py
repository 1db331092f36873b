"""Damage done to recordings, the same each time."""

import io
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import av

from tests.corpus import streams

Span: TypeAlias = tuple[int, int]
"""Where bytes begin and end in a file."""
Group: TypeAlias = list[list[Span]]
"""Where the packets from a keyframe to the next one are, each perhaps in pieces."""
Spoil: TypeAlias = Callable[[bytearray, Sequence[list[Span]], random.Random], None]
"""Damages packets in a file's bytes."""

_HEAD: Final = 1500
"""Bytes."""
_INDEX: Final = {
    ".mp4": (b"moov", b"gone"),
    ".mov": (b"moov", b"gone"),
    ".avi": (b"idx1", b"JUNK"),
    ".mkv": (b"\x1c\x53\xbb\x6b", b"\x1c\x53\xbb\x00"),
}
_PIECE: Final = 5000
_TRANSPORT: Final = {".ts", ".m2ts"}


def groups(path: Path) -> list[Group]:
    """Return where a recording's groups of pictures are."""
    return _groups(path.suffix, path.read_bytes())


@cache
def _groups(suffix: str, data: bytes) -> list[Group]:
    found: list[Group] = []
    for is_key, spans in _packets(suffix, data):
        if is_key:
            found.append([])
        found[-1].append(spans)
    return found


def spoiled(path: Path, group: int, spoil: Spoil, seed: int = 0) -> Path:
    """Damage a group of pictures of a recording, and return its path."""
    data = bytearray(path.read_bytes())
    spoil(data, groups(path)[group], random.Random(f"{path.name} {seed}"))
    path.write_bytes(data)
    return path


def noise(data: bytearray, packets: Sequence[list[Span]], rng: random.Random) -> None:
    """Fill packets with noise."""
    for begin, end in _all(packets):
        data[begin:end] = rng.randbytes(end - begin)


def hole(data: bytearray, packets: Sequence[list[Span]], rng: random.Random) -> None:
    """Fill packets with zeros, as a copy that was broken off and gone on with may."""
    for begin, end in _all(packets):
        data[begin:end] = bytes(end - begin)


def keyless(data: bytearray, packets: Sequence[list[Span]], rng: random.Random) -> None:
    """Fill the keyframe with noise."""
    noise(data, packets[:1], rng)


def one(data: bytearray, packets: Sequence[list[Span]], rng: random.Random) -> None:
    """Fill one packet in the middle with noise."""
    middle = len(packets) // 2
    noise(data, packets[middle : middle + 1], rng)


def flipped(data: bytearray, packets: Sequence[list[Span]], rng: random.Random) -> None:
    """Flip a few bits of each packet."""
    for spans in packets:
        begin, end = rng.choice(spans)
        flip(data, begin, end, 3, rng)


def flip(data: bytearray, begin: int, end: int, times: int, rng: random.Random) -> None:
    """Flip bits."""
    for _ in range(times):
        data[rng.randrange(begin, end)] ^= 1 << rng.randrange(8)


def scattered(path: Path, seed: int) -> None:
    """Flip a few bits anywhere."""
    data, rng = bytearray(path.read_bytes()), random.Random(f"{path.suffix} {seed}")
    flip(data, 0, len(data), 12, rng)
    path.write_bytes(data)


def at_the_head(path: Path, seed: int) -> None:
    """Flip a few bits of what describes all the rest, as a rule."""
    data, rng = bytearray(path.read_bytes()), random.Random(f"{path.suffix} {seed}")
    flip(data, 0, min(len(data), _HEAD), 4, rng)
    path.write_bytes(data)


def at_the_end(path: Path, seed: int) -> None:
    """Flip a few bits of what indexes all the rest, as a rule."""
    data, rng = bytearray(path.read_bytes()), random.Random(f"{path.suffix} {seed}")
    flip(data, max(0, len(data) - _HEAD), len(data), 4, rng)
    path.write_bytes(data)


def torn_out(path: Path, seed: int) -> None:
    """Take a piece out."""
    data, rng = bytearray(path.read_bytes()), random.Random(f"{path.suffix} {seed}")
    at = rng.randrange(len(data))
    del data[at : at + rng.randrange(1, _PIECE)]
    path.write_bytes(data)


def cut(path: Path, share: float) -> None:
    """Leave the end out."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def unindexed(path: Path) -> None:
    """Make the index something that nobody looks at."""
    mark, other = _INDEX[path.suffix]
    path.write_bytes(other.join(path.read_bytes().rsplit(mark, 1)))


def _all(packets: Sequence[list[Span]]) -> Iterator[Span]:
    return (span for spans in packets for span in spans)


def _packets(suffix: str, data: bytes) -> Iterator[tuple[bool, list[Span]]]:
    """Yield whether a packet is a keyframe, and where it is."""
    with av.open(io.BytesIO(data), "r") as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    if suffix in _TRANSPORT:
        ends = [*(packet.pos for packet in packets[1:]), len(data)]
        for packet, end in zip(packets, ends, strict=True):
            yield packet.is_keyframe, [*streams.payloads(data, packet.pos or 0, end or 0)]
        return
    at = 0
    for packet in packets:
        at = data.index(bytes(packet), at)
        yield packet.is_keyframe, [(at, at + packet.size)]
        at += packet.size
