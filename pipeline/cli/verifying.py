"""A run's outputs verified: source by source, each finding a line."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from pipeline.cli import verify_files as files
from pipeline.cli import verify_frames as frames
from pipeline.cli.verify_decode import decoded_anew
from pipeline.cli.verify_subject import Run, Subject
from pipeline.errors import SourceError
from stages.annotator.derived import Row
from stages.annotator.sinks.video import VideoSink

Verdict: TypeAlias = Literal["proved", "wrong", "unfinished", "camera"]
Tell: TypeAlias = Callable[[str, float], None]
"""Told what is done, and how much of the work that was, in seconds or so."""

_MOST_FINDINGS: Final = 5
"""Of one kind, of one source: a file that was cut differs in every frame from then on."""
_BYTE_S, _ROW_S, _FRAME_S = 1e-9, 4e-5, 3e-3
"""What things take, roughly: for the bar."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of one source."""

    source: str
    verdict: Verdict
    status: str
    """As the manifest has it; one that failed is proved if its outputs say no less than its manifest."""
    frames: int
    files: int
    bytes: int
    findings: tuple[str, ...]


def work_s(run: Run, *, decode: bool) -> float:
    """Return about how long it will take to verify all."""
    subjects = [subject for subject in run.subjects if subject.done]
    read_s = sum(int(check["bytes"]) for subject in subjects for check in subject.checks.values()) * _BYTE_S
    return read_s + sum(_frames_s(subject, decode=decode) for subject in subjects)


def verify(run: Run, tell: Tell, *, decode: bool) -> Iterator[Verified]:
    """Yield what is found of each source of a run."""
    for subject in run.subjects:
        findings = tuple(_findings(subject, run.settings, tell, decode=decode)) if subject.done else ()
        record = subject.record
        verdict: Verdict = "wrong" if findings else "proved"
        if not subject.done:
            verdict = "camera" if subject.live else "unfinished"
        size = sum(int(check["bytes"]) for check in subject.checks.values())
        counts = (int(record.get("frames", 0)), len(subject.checks), size)
        yield Verified(subject.name, verdict, str(record["status"]), *counts, findings)


def _findings(subject: Subject, settings: Mapping[str, Any], tell: Tell, *, decode: bool) -> Iterator[str]:
    def told(count: int) -> None:
        tell(f"{subject.name}: checksums", count * _BYTE_S)

    missing = list(files.outputs(subject, told))
    yield from missing
    yield from _limited(files.recording(subject, told))
    if subject.record["status"] not in ("ok", "failed") or (
        subject.record["status"] == "failed" and not subject.record["error"]
    ):
        yield f"is {subject.record['status']}, and nothing says why"
    yield from _of_frames(subject, settings, tell, decode=decode)


def _of_frames(subject: Subject, settings: Mapping[str, Any], tell: Tell, *, decode: bool) -> Iterator[str]:
    tables = frames.tables(subject)
    if not tables:
        return
    truth = next(iter(tables))

    def rows(name: str) -> Iterator[Row]:
        for row in tables[name]():
            tell(f"{subject.name}: {name}", _ROW_S)
            yield row

    def decoded() -> Iterator[Row]:
        for row in rows(truth):
            tell(f"{subject.name}: decoded anew", _FRAME_S)
            yield row

    for name in tables:
        yield from _readable(name, frames.numbering(name, rows(name), subject.record))
        if name != truth:
            yield from _readable(name, frames.agreement(name, rows(name), truth, rows(truth)))
    if subject.made(VideoSink().outputs(subject.folder, subject.name)[:1]):
        yield from _readable("video", frames.video(subject, rows(truth)))
    if decode:
        yield from _readable(truth, decoded_anew(subject, decoded(), settings))


def _readable(what: str, findings: Iterable[str]) -> Iterator[str]:
    """Yield findings, the last of which may be that there is no reading on."""
    try:
        yield from _limited(findings)
    except FileNotFoundError:
        return  # said already, of the files
    except SourceError as error:
        yield str(error)
    except ImportError:
        yield f"{what}: can't be read without pyarrow: pip install 'detstream[parquet]'"
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:  # json's and pyarrow's are ValueErrors
        yield f"{what}: can't be read to its end ({' '.join(str(error).split())[:120]})"


def _limited(findings: Iterable[str]) -> Iterator[str]:
    rest = 0
    for number, finding in enumerate(findings):
        if number < _MOST_FINDINGS:
            yield finding
        else:
            rest += 1
    if rest:
        yield f"… and {rest:,} more of this kind"


def _frames_s(subject: Subject, *, decode: bool) -> float:
    count, tables = int(subject.record["frames"]), len(frames.tables(subject))
    passes = max(3 * tables - 1, 0) + bool(subject.made(VideoSink().outputs(subject.folder, subject.name)[:1])) + decode
    return count * (passes * _ROW_S + decode * _FRAME_S)
