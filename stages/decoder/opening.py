"""Recordings opened with FFmpeg, with errors that people understand."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

import av
from av.codec.context import ThreadType
from av.container import Flags, InputContainer
from av.error import FFmpegError
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.errors import SourceError
from stages.decoder.picture import upright_size
from stages.decoder.remote import Remote
from stages.decoder.source import SourceFacts

Place: TypeAlias = Path | Remote
Threads: TypeAlias = Literal["auto", "frame", "slice"]

_THREAD_TYPES: Final = {"auto": ThreadType.AUTO, "frame": ThreadType.FRAME, "slice": ThreadType.SLICE}
_FPS_UNKNOWN: Final = 25.0
_YEAR_OF_UNSET_CLOCKS: Final = 1970


@contextmanager
def opened(place: Place, threads: int, thread_type: Threads) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the recording's best video stream; the others are not even read.

    Raises:
        SourceError: it is missing, unreadable, empty, no video, or without a video stream.
    """
    container = place.opened() if isinstance(place, Remote) else _opened_here(place)
    with released(container):
        container.flags &= ~cast(int, Flags.gen_pts.value)  # PyAV sets it; what it makes up for AVI is a frame late
        stream = _video_stream(container, place)
        stream.thread_type, stream.thread_count = _THREAD_TYPES[thread_type], threads
        for other in container.streams:
            other.discard = Discard.none if other.index == stream.index else Discard.all
        yield container, stream


def _opened_here(path: Path) -> InputContainer:
    _check_readable(path)
    av.logging.set_level(None)  # FFmpeg would write on the terminal, in the middle of a progress bar
    try:
        # "file:" keeps a colon in the name from being a protocol; the list, a playlist from naming other hosts.
        return av.open(f"file:{path}", "r", container_options={"protocol_whitelist": "file"})
    except (FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "the file is no video, or damaged, or its end is missing: try it in a player, or copy it again"
        raise SourceError(f"{path} can't be opened as a video ({reason}); {hint}") from error


@contextmanager
def released(container: InputContainer) -> Iterator[None]:
    """Close a container at the end, and free its decoder: container and streams hold each other, so by a collection."""
    try:
        yield
    finally:
        container.close()
        gc.collect()


def facts_of(place: Place) -> SourceFacts:
    """Return what the recording says of itself.

    Raises:
        SourceError: as `opened`.
    """
    with opened(place, 1, "slice") as (container, stream):
        claimed, duration_s = frames_claimed(stream), _duration_s(container, stream)
        start_s = float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0
        created = _created(container, stream)
        fps = float(stream.average_rate or stream.guessed_rate or _FPS_UNKNOWN)
        codec = stream.codec_context.name
        first = _first_frame(container, stream)  # only a frame knows how it is turned
        width, height = upright_size(first) if first else (stream.width, stream.height)
    return SourceFacts(width, height, fps, claimed, duration_s, created, codec, start_s)


def frames_claimed(stream: VideoStream) -> int | None:
    """Return how many frames a freshly opened container says that it has, if it does."""
    indexed = len(stream.index_entries)  # AVI's own count may be wrong by the factor between two frame rates
    return (indexed if indexed > 1 and stream.frames else stream.frames) or None


def end_told_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Return when the last frame of a freshly opened container is over, where what it says can be relied on."""
    if "mov" in container.format.name and stream.duration and stream.time_base:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)  # the sum of all frames'
    return _tagged_duration_s(stream)


def _tagged_duration_s(stream: VideoStream) -> float | None:
    """Return the duration in a Matroska stream's tags, which has no index to count."""
    hours, _, rest = (stream.metadata.get("DURATION") or "").partition(":")
    minutes, _, seconds = rest.partition(":")
    with suppress(ValueError):
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return None


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            raise SourceError(f"{path} is a folder, not a video: name one of its files")
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path} is empty (0 bytes): copy or record it again")
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist: check the path") from error
    except PermissionError as error:
        raise SourceError(f"{path} can't be read (permission denied): make it readable for this user") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} can't be read ({getattr(error, 'strerror', None) or error})") from error


def _video_stream(container: InputContainer, place: Place) -> VideoStream:
    stream = container.streams.best("video")
    # Cover art is a video stream of one picture.
    if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
        raise SourceError(f"{place} has no video stream: detstream needs pictures, give it a video")
    if stream.codec_context is None:
        raise SourceError(f"{place} is of a video codec that FFmpeg here can't decode: convert it to H.264")
    return stream


def _first_frame(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    with suppress(FFmpegError):
        return next(container.decode(stream), None)
    return None


def _duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return _tagged_duration_s(stream) or (container.duration / 1e6 if container.duration else None)


def _created(container: InputContainer, stream: VideoStream) -> datetime | None:
    text = container.metadata.get("creation_time") or stream.metadata.get("creation_time") or ""
    with suppress(ValueError):
        created = datetime.fromisoformat(text)
        created = created.astimezone(UTC) if created.tzinfo else created.replace(tzinfo=UTC)
        return created if created.year > _YEAR_OF_UNSET_CLOCKS else None
    return None
