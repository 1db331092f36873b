"""A part of a video, cut out packet by packet: nothing is encoded anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from pipeline.errors import SinkError
from stages.annotator.whole_file import whole

AnyPacket: TypeAlias = "Packet[Any]"

_ONLY_FILES: Final = {"protocol_whitelist": "file"}


def begins_s(video: Path) -> float:
    """Return the time of a video's first picture, by its own clock, seconds.

    Raises:
        SinkError: it can't be read.
    """
    with _opened(video) as container:
        stream = _pictures(container, video)
        return float((stream.start_time or 0) * (stream.time_base or 0))


def cut(video: Path, target: Path, first_s: float, last_s: float) -> float:
    """Write an MP4 from the keyframe before `first_s` to `last_s`, and return when it begins; by the video's clock.

    Sound is copied too, where an MP4 may hold it.

    Raises:
        SinkError: the video can't be read there, or the target can't be written.
    """
    with _opened(video) as container, whole(target) as draft:
        try:
            with av.open(str(draft), "w", format="mp4", options={"movflags": "faststart"}) as output:
                return _copy(container, output, _pictures(container, video), first_s, last_s)
        except FFmpegError as error:
            raise SinkError(f"{target}: {video} can't be cut: {error.strerror}") from error


def _copy(source: InputContainer, output: OutputContainer, pictures: Stream, first_s: float, last_s: float) -> float:
    sounds = [stream for stream in source.streams.audio if _name(stream) in output.supported_codecs]
    targets = {stream.index: output.add_stream_from_template(stream, opaque=True) for stream in [pictures, *sounds]}
    source.seek(int(max(first_s, 0) * av.time_base), backward=True)
    zero_s, begins = None, first_s
    for packet in _until(source, [pictures, *sounds], pictures, last_s):
        if zero_s is None:
            if packet.stream_index != pictures.index or not packet.is_keyframe:
                continue
            zero_s, begins = _s(packet.dts, packet), _s(packet.pts, packet)
        offset = round(zero_s / packet.time_base)
        if packet.dts is None or packet.dts < offset:
            continue
        packet.pts = None if packet.pts is None else packet.pts - offset
        packet.dts -= offset
        packet.stream = targets[packet.stream_index]
        output.mux(packet)
    if zero_s is None:
        raise SinkError(f"no picture from {first_s:g} s on")
    return begins


def _until(source: InputContainer, streams: list[Stream], pictures: Stream, last_s: float) -> Iterator[AnyPacket]:
    """Yield packets up to the first picture that is shown at `last_s` or later, and all that are shown before it.

    With B-frames a picture comes before others that are shown earlier: these must not be left out.
    """
    limit_s = float("inf")
    for packet in source.demux(*streams):
        if packet.dts is None or not packet.size:
            continue
        decoded_s, shown_s = _s(packet.dts, packet), _s(packet.pts, packet)
        is_picture = packet.stream_index == pictures.index
        if is_picture and decoded_s > limit_s:
            return
        if is_picture and shown_s >= last_s:
            limit_s = min(limit_s, shown_s)
        if shown_s <= (limit_s if is_picture else last_s):
            yield packet


def _s(ticks: int | None, packet: AnyPacket) -> float:
    return float((packet.dts if ticks is None else ticks) or 0) * float(packet.time_base)


def _name(stream: Stream) -> str:
    return str(getattr(stream.codec_context, "name", ""))


def _pictures(container: InputContainer, video: Path) -> Stream:
    stream = container.streams.best("video")
    if stream is None:
        raise SinkError(f"{video} has no pictures")
    return stream


def _opened(video: Path) -> InputContainer:
    av.logging.set_level(None)
    try:
        return av.open(f"file:{video}", "r", container_options=_ONLY_FILES)
    except (FFmpegError, ValueError) as error:
        raise SinkError(f"{video} can't be read: {getattr(error, 'strerror', None) or error}") from error
