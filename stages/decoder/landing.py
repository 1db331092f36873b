"""Seeking: from a keyframe before a moment on, or not at all."""

from collections.abc import Iterator

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

_MARGIN_S = 1.0
"""Containers are sought in by the times of decoding, which are earlier than those of showing."""


def landed(
    container: InputContainer, stream: VideoStream, at_s: float, least: int | None = None
) -> "Iterator[Packet[VideoStream]] | None":
    """Return the packets from a keyframe on, shown at `at_s` (seconds) or before; None if a seek leads elsewhere.

    `least`: the keyframe must not be earlier than this, ticks.
    """
    if stream.time_base is None:
        return None
    try:
        container.seek(int((at_s - _MARGIN_S) / stream.time_base), stream=stream, backward=True)
        packets = container.demux(stream)
        first = next((packet for packet in packets if packet.is_keyframe and packet.pts is not None), None)
    except FFmpegError:
        return None
    if first is None or first.pts is None or first.pts * stream.time_base > at_s or first.pts < (least or first.pts):
        return None
    return _chained(first, packets)


def _chained(first: "Packet[VideoStream]", rest: "Iterator[Packet[VideoStream]]") -> "Iterator[Packet[VideoStream]]":
    yield first
    yield from rest
