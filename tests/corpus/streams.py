"""Elementary and transport streams as bytes, where no muxer writes what a test needs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.corpus.encoding import Clip
from tests.corpus.muxing import opened, packets_of

TS_PACKET: Final = 188
_PAYLOAD_STARTS: Final = 0x40
_HAS_FIELD: Final = 0x20
_PID: Final = 0x1FFF
_HAS_TIMES: Final = 0xC0
_VIDEO: Final = b"\x00\x00\x01\xe0"


def write_raw(path: Path, *clips: Clip) -> Path:
    """Write the bare packets of clips one after the other, each with its parameter sets before it."""
    path.write_bytes(b"".join(_parameters(clip) + b"".join(map(bytes, packets_of(clip))) for clip in clips))
    return path


def forget_times(path: Path, every: int) -> Path:
    """Take the times off the frames of a transport stream but for each so many-th, and return its path."""
    data = bytearray(path.read_bytes())
    for number, header in enumerate(_frame_headers(data)):
        if number % every:
            length = data[header + 8]
            data[header + 7] &= ~_HAS_TIMES & 0xFF
            data[header + 9 : header + 9 + length] = b"\xff" * length
    path.write_bytes(data)
    return path


def payloads(data: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where in a part of a transport stream a frame's own bytes are, behind the headers of their packets."""
    stream: int | None = None
    for at in range(begin, end - TS_PACKET + 1, TS_PACKET):
        of = int.from_bytes(data[at + 1 : at + 3], "big") & _PID
        payload = at + 4 + (1 + data[at + 4] if data[at + 3] & _HAS_FIELD else 0)
        if stream is None:
            stream, payload = of, payload + 9 + data[payload + 8]
        if of == stream and payload < at + TS_PACKET:
            yield payload, at + TS_PACKET


def _parameters(clip: Clip) -> bytes:
    with opened(clip) as container:
        return container.streams.video[0].codec_context.extradata or b""


def _frame_headers(data: bytes | bytearray) -> Iterator[int]:
    """Yield where each frame's PES header starts."""
    for at in range(0, len(data), TS_PACKET):
        payload = at + 4 + (1 + data[at + 4] if data[at + 3] & _HAS_FIELD else 0)
        if data[at + 1] & _PAYLOAD_STARTS and data[payload : payload + 4] == _VIDEO:
            yield payload
