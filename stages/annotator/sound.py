"""The sound of a recording, copied as it is."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeAlias

import av
import structlog
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard, Stream

AudioPacket: TypeAlias = "Packet[Any]"

_SLACK_S: Final = 5.0
"""By which packets of one time may lie apart in a recording."""
_AT_AN_END: Final = 1.5
"""Frames by which the first or last one may be away from what the container says."""


@dataclass(frozen=True, slots=True)
class Span:
    """What part of a recording the pictures are of, in seconds of the recording's clock."""

    origin_s: Fraction
    """What is the new file's 0."""
    first_s: float
    last_s: float
    """When the last picture begins."""
    frame_s: float
    """How long a picture is shown, on average."""


class Sound:
    """The audio streams of an opened recording that an MP4 may hold, on their way into one."""

    def __init__(self, recording: InputContainer, output: OutputContainer, span: Span) -> None:
        self._recording, self._span = recording, span
        self._begin_s, self._end_s = _limits(recording, span)
        self._last_dts: dict[int, int] = {}
        self._targets: dict[int, AudioStream] = {}
        for stream in recording.streams.audio:
            codec = getattr(stream.codec_context, "name", "its codec")  # there is none for what FFmpeg can't decode
            if codec in output.supported_codecs:
                self._targets[stream.index] = output.add_stream_from_template(stream, opaque=True)
            else:
                left_out(f"an MP4 can't hold {codec}", recording.name)

    def packets(self) -> Iterator[tuple[float, AudioPacket]]:
        """Yield (time in the new file, packet), in the order of the recording; one that is damaged ends it."""
        for stream in self._recording.streams:
            stream.discard = Discard.none if stream.index in self._targets else Discard.all
        if not self._targets:
            return
        try:
            yield from self._copied()
        except FFmpegError as error:
            left_out(f"the rest is damaged ({error.strerror})", self._recording.name)

    def _copied(self) -> Iterator[tuple[float, AudioPacket]]:
        if self._begin_s > _SLACK_S:
            with suppress(FFmpegError):  # then all before is read, and left out
                self._recording.seek(int((self._begin_s - _SLACK_S) * av.time_base), backward=True)
        for packet in self._recording.demux(*(self._recording.streams[index] for index in self._targets)):
            if packet.size and packet.dts is not None:
                at_s = float((packet.dts if packet.pts is None else packet.pts) * packet.time_base)
                if at_s > self._end_s + _SLACK_S:
                    return
                if self._begin_s <= at_s < self._end_s and self._in_order(packet):
                    yield self._moved(packet)

    def _in_order(self, packet: AudioPacket) -> bool:
        """Return whether a packet comes after the one before it, as an MP4 demands."""
        before, dts = self._last_dts.get(packet.stream_index), packet.dts
        if dts is None or (before is not None and dts <= before):
            return False
        self._last_dts[packet.stream_index] = dts
        return True

    def _moved(self, packet: AudioPacket) -> tuple[float, AudioPacket]:
        assert packet.dts is not None
        offset = round(self._span.origin_s / packet.time_base)
        packet.pts = (packet.dts if packet.pts is None else packet.pts) - offset
        packet.dts -= offset
        at_s = float(packet.dts * packet.time_base)
        packet.stream = self._targets[packet.stream_index]
        return at_s, packet


@contextmanager
def opened(recording: Path) -> Iterator[InputContainer | None]:
    """Open a recording for its sound, None if it can't be, or has none: that is no reason to write no pictures."""
    av.logging.set_level(None)
    try:
        container = av.open(f"file:{recording}", "r", container_options={"protocol_whitelist": "file"})
    except (FFmpegError, ValueError) as error:
        left_out(f"it can't be read here ({getattr(error, 'strerror', None) or error})", str(recording))
        yield None
        return
    with container:
        yield container if container.streams.audio else None


def left_out(why: str, recording: str) -> None:
    """Say in the log that there will be no sound, or not all."""
    structlog.get_logger().warning("audio left out", why=why, recording=recording.removeprefix("file:"))


def _limits(recording: InputContainer, span: Span) -> tuple[float, float]:
    """Return from when to when the sound is wanted: all of it at an end of the recording to which the pictures go."""
    begin_s, end_s = span.first_s, span.last_s + span.frame_s
    video = recording.streams.best("video")
    slack_s = _AT_AN_END * span.frame_s
    if video is None or video.time_base is None or video.start_time is None:
        return begin_s, end_s
    starts_s = float(video.start_time * video.time_base)
    if begin_s <= starts_s + slack_s:
        begin_s = float("-inf")
    if end_s >= starts_s + _lasts_s(recording, video) - slack_s:
        end_s = float("inf")
    return begin_s, end_s


def _lasts_s(recording: InputContainer, video: Stream) -> float:
    """Return how long the pictures of a recording go on, as it says: Matroska does so in a tag."""
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    hours, _, rest = (video.metadata.get("DURATION") or "").partition(":")
    minutes, _, seconds = rest.partition(":")
    with suppress(ValueError):
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return recording.duration / av.time_base if recording.duration else float("inf")
