"""Encoded clips put into containers, their packets changed on the way where a test wants it."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Final, TypeAlias, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from tests.corpus.encoding import TICKS, Clip, encoded

Edit: TypeAlias = "Callable[[list[Packet[VideoStream]]], Iterable[Packet[VideoStream]]]"
_SOUND_RATE: Final = 48_000


@dataclass(frozen=True)
class Track:
    """A clip as a stream of a container."""

    clip: Clip
    edit: Edit = list
    rotation: int = 0
    """Degrees counterclockwise that set it upright, as a display matrix says."""
    disposition: Disposition | None = None


def mux(
    path: Path,
    *tracks: Track | Clip,
    kind: str | None = None,
    sound: bool = False,
    options: Mapping[str, str] | None = None,
    attachment: bytes | None = None,
    time_base: Fraction = Fraction(1, TICKS),
) -> Path:
    """Write a container with these tracks, behind a sound track if there is one, and return its path."""
    with av.open(str(path), "w", format=kind, options=dict(options or {})) as output:
        silence = _sound(output) if sound else None
        streams = [_added(output, track if isinstance(track, Track) else Track(track), time_base) for track in tracks]
        if attachment:
            output.add_attachment("cover.jpg", "image/jpeg", attachment)
        if silence:
            output.mux(silence.encode(_silence()))
            output.mux(silence.encode(None))
        for packet in merge(*streams, key=_decoding_s):
            output.mux_one(packet)
    return path


def opened(clip: Clip) -> InputContainer:
    """Return a clip, encoded."""
    return av.open(io.BytesIO(encoded(clip)), "r")


def packets_of(clip: Clip) -> "list[Packet[VideoStream]]":
    """Return the packets of a clip, in the order of decoding."""
    with opened(clip) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
    unknown = sum(packet.dts is None for packet in packets)  # those before the first pts
    for place, packet in enumerate(packets[:unknown]):
        packet.dts = (packets[unknown].dts or 0) - (unknown - place) * (packet.duration or 0)
    return packets


def shifted(by_ms: int) -> Edit:
    """Move all times."""

    def edit(packets: "list[Packet[VideoStream]]") -> "Iterator[Packet[VideoStream]]":
        for packet in packets:
            ticks = round(Fraction(by_ms, 1000) / (packet.time_base or Fraction(1)))
            packet.pts, packet.dts = (packet.pts or 0) + ticks, (packet.dts or 0) + ticks
            yield packet

    return edit


def _added(output: OutputContainer, track: Track, time_base: Fraction) -> "Iterator[Packet[VideoStream]]":
    with opened(track.clip) as container:
        # opaque: FFmpeg's AV1 decoder is no encoder too, and would not be found.
        stream = output.add_stream_from_template(container.streams.video[0], opaque=True)
    stream.time_base = time_base
    if track.rotation:
        stream.set_display_rotation(track.rotation)
    if track.disposition is not None:
        stream.disposition = track.disposition
    return _of(stream, track)


def _of(stream: VideoStream, track: Track) -> "Iterator[Packet[VideoStream]]":
    for packet in track.edit(packets_of(track.clip)):
        packet.stream = stream
        yield packet


def _decoding_s(packet: "Packet[VideoStream]") -> float:
    return float((packet.dts or 0) * (packet.time_base or 1))


def _sound(output: OutputContainer) -> AudioStream:
    codec = "libopus" if output.format.name in {"webm", "matroska"} else "aac"
    return cast(AudioStream, output.add_stream(codec, rate=_SOUND_RATE))


def _silence() -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * _SOUND_RATE), np.float32), "fltp", "mono")
    frame.rate = _SOUND_RATE
    return frame
