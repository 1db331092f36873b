"""A part file into the final MP4, without encoding again."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError

from pipeline.errors import SinkError, SourceError
from stages.annotator.fragments import TICKS_A_SECOND, Fragment
from stages.annotator.sink import Counts
from stages.annotator.sound import Sound, Span, left_out, opened
from stages.annotator.whole_file import whole

_COMMENT: Final = "detstream: {frames} frames, {failed} failed, last {last}"


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is in a part file."""

    path: Path
    counts: Counts
    first_ticks: int
    last: Fragment
    origin: int
    """Ticks of the recording's clock at the file's 0."""

    def span(self) -> Span:
        """Return which part of the recording that is."""
        frames = max(self.counts.frames - 1, 1)
        first, last = self.first_ticks + self.origin, self.last.ticks + self.origin
        frame_s = max(last - first, 1) / TICKS_A_SECOND / frames
        return Span(Fraction(self.origin, TICKS_A_SECOND), first / TICKS_A_SECOND, last / TICKS_A_SECOND, frame_s)


def remux(pictures: Pictures, target: Path, recording: Path | None = None) -> None:
    """Write `target`, which begins with its index so that a browser starts at once; it appears whole or not at all.

    With a recording, its sound is copied as far as the pictures go, if an MP4 may hold it.

    Raises:
        SinkError: it can't be written.
    """
    try:
        if recording is None or not _with_sound(pictures, target, recording):
            with whole(target) as draft:
                _copy(pictures, draft, None)
    except FFmpegError as error:
        raise SinkError(f"{target} can't be written ({error.strerror}): check the disk's free space") from error


def finished(target: Path) -> tuple[Counts, int] | None:
    """Return what `remux` said of a file's content: counts and the last seq; None if there is no file.

    Raises:
        SinkError: the file is not ours.
    """
    if not target.exists():
        return None
    with suppress(FFmpegError, ValueError), av.open(f"file:{target}") as container:
        pattern = re.escape(_COMMENT).replace(r"\{", "(?P<").replace(r"\}", r">\d+)")
        if found := re.fullmatch(pattern, container.metadata.get("comment", "")):
            return Counts(int(found["frames"]), int(found["failed"])), int(found["last"])
    raise SinkError(f"{target} exists and is not a video that detstream made: remove it, or choose another folder")


def shown_at(video: Path) -> Iterator[float]:
    """Yield when each picture of a video that we made is shown, seconds, without decoding it.

    Raises:
        SourceError: it can't be read, or not to its end.
    """
    try:
        with av.open(f"file:{video}") as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size and packet.pts is not None:
                    yield float(packet.pts * packet.time_base)
    except FFmpegError as error:
        raise SourceError(f"{video.name} can't be read ({error.strerror})") from error
    except IndexError as error:
        raise SourceError(f"{video.name} has no pictures") from error


def _with_sound(pictures: Pictures, target: Path, recording: Path) -> bool:
    """Return whether it is written; not if there is no sound, or none that can be copied."""
    with opened(recording) as sound:
        if sound is None:
            return False
        try:
            with whole(target) as draft:
                _copy(pictures, draft, sound)
        except (FFmpegError, ValueError) as error:
            left_out(f"it can't be copied ({getattr(error, 'strerror', None) or error})", str(recording))
            return False
    return True


def _copy(pictures: Pictures, target: Path, recording: InputContainer | None) -> None:
    options = {"movflags": "faststart", "video_track_timescale": str(TICKS_A_SECOND)}
    with (
        av.open(f"file:{pictures.path}") as source,
        av.open(f"file:{target}", "w", format="mp4", options=options) as output,
    ):
        counts = pictures.counts
        output.metadata["comment"] = _COMMENT.format(frames=counts.frames, failed=counts.failed, last=pictures.last.seq)
        streams = [_shown(source, output)]
        if recording is not None:
            streams.append(Sound(recording, output, pictures.span()).packets())
        # By their times, else the muxer would hold all of one stream until it sees the other.
        for _, packet in merge(*streams, key=lambda item: item[0]):
            output.mux(packet)


def _shown(source: InputContainer, output: OutputContainer) -> Iterator[tuple[float, Any]]:
    """Return (time, packet) of the pictures; the stream is made at once, the first of the file."""
    video = source.streams.video[0]
    stream = output.add_stream_from_template(video, opaque=True)

    def packets() -> Iterator[tuple[float, Any]]:
        for packet in source.demux(video):
            if packet.size and packet.dts is not None:
                at_s = float(packet.dts * packet.time_base)
                packet.stream = stream
                yield at_s, packet

    return packets()
