"""Recordings of any number of frames, made of a short one by copying its packets."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.packet import Packet
from av.video.stream import VideoStream


def make_clip(source: Path, target: Path, frames: int) -> int:
    """Write the first `frames` frames of a video without B-frames, begun again as often as need be; return how many."""
    written = 0
    with av.open(str(target), "w") as output:
        stream: VideoStream | None = None
        end = 0
        while written < frames:
            start, before = end, written
            with av.open(str(source)) as container:
                video = container.streams.video[0]
                stream = stream or output.add_stream_from_template(video)
                for packet in _first(container.demux(video), frames - written):
                    end = _shift(packet, start)
                    packet.stream = stream
                    output.mux(packet)
                    written += 1
            if written == before:
                raise SystemExit(f"{source} has no video packets")
    return written


def _first(packets: "Iterator[Packet[VideoStream]]", most: int) -> "Iterator[Packet[VideoStream]]":
    for packet in packets:
        if not most:
            return
        if packet.size:
            most -= 1
            yield packet


def _shift(packet: "Packet[VideoStream]", start: int) -> int:
    """Move a packet by `start` ticks and return the tick at which it ends."""
    packet.pts = (packet.pts or 0) + start
    packet.dts = (packet.dts or 0) + start
    return packet.pts + (packet.duration or 1)
