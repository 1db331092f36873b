"""Whether a recording, decoded anew, has the frames that an output tells of."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from itertools import zip_longest
from typing import Any, Final

from pydantic import ValidationError

from pipeline.cli.verify_subject import Subject
from pipeline.errors import SourceError
from stages.annotator.derived import Row
from stages.decoder.settings import DecoderSettings, RecordingSource
from stages.decoder.source import Decoded
from stages.decoder.sources.file import FileSource
from stages.decoder.sources.url import UrlSource

_SAME_S: Final = 1e-6
"""Outputs have microseconds."""


def decoded_anew(subject: Subject, rows: Iterable[Row], settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the numbers and times of frames are not those of the recording."""
    had = wanted = 0
    errors: list[str] = []
    for row, frame in zip_longest(rows, _frames(_source(subject, settings), errors)):
        had, wanted = had + (row is not None), wanted + (frame is not None)
        if row is None or frame is None:
            continue
        if row.seq != frame.seq or abs(row.pts_s - round(frame.pts_s, 6)) > _SAME_S:
            written = f"frame {row.seq} at {row.pts_s} s is written"
            yield f"decoded anew, frame {frame.seq} is at {frame.pts_s:.6f} s; {written}"
        elif frame.error is not None and row.status == "ok":
            yield f"decoded anew, frame {frame.seq} {frame.error}; it is written as ok"
    if had != wanted:
        yield f"decoded anew, the recording has {wanted:,} frames; {had:,} are written"
    if errors and subject.record["status"] == "ok":
        yield f"decoded anew: {errors[0]}"


def _frames(source: RecordingSource, errors: list[str]) -> Iterator[Decoded]:
    """Yield the frames of a recording, up to where it fails."""
    try:
        with closing(source.build()) as recording:
            yield from recording.frames()
    except SourceError as error:
        errors.append(str(error))


def _source(subject: Subject, settings: Mapping[str, Any]) -> RecordingSource:
    """Return how the recording was decoded; as usual if the settings don't say so."""
    source: RecordingSource = FileSource(path=subject.recording)
    with suppress(ValidationError):
        decoder = DecoderSettings(**settings.get("decoder", {}))
        watched = FileSource(path=subject.recording, **decoder.watch.wish)
        source = dict(decoder.recordings).get(subject.name, watched)
    return source if isinstance(source, UrlSource) else source.model_copy(update={"path": subject.recording})
