"""A part file into the final MP4, without encoding again."""

import os
import re
from contextlib import suppress
from pathlib import Path

import av
from av.error import FFmpegError

from pipeline.errors import SinkError
from stages.annotator.append_file import sync_folder, writing
from stages.annotator.fragments import TICKS_A_SECOND
from stages.annotator.sink import Counts

_COMMENT = "detstream: {frames} frames, {failed} failed, last {last}"


def remux(part: Path, target: Path, counts: Counts, last: int) -> None:
    """Write `target`, which begins with its index so that a browser starts at once; it appears whole or not at all.

    Raises:
        SinkError: it can't be written.
    """
    temporary = target.with_name(target.name + ".tmp")
    comment = _COMMENT.format(frames=counts.frames, failed=counts.failed, last=last)
    try:
        with writing(target):
            _copy(part, temporary, comment)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
            sync_folder(target.parent)
    except FFmpegError as error:
        raise SinkError(f"{target} can't be written ({error.strerror}): check the disk's free space") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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


def _copy(part: Path, target: Path, comment: str) -> None:
    options = {"movflags": "faststart", "video_track_timescale": str(TICKS_A_SECOND)}
    with av.open(f"file:{part}") as source, av.open(f"file:{target}", "w", format="mp4", options=options) as output:
        output.metadata["comment"] = comment
        video = source.streams.video[0]
        stream = output.add_stream_from_template(video, opaque=True)
        for packet in source.demux(video):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
