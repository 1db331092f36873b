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
    error: str | None = None
    """Why it failed when it was run, or is not finished."""


def work_s(run: Run, *, decode: bool) -> float:
    """Return about how long it will take to verify all."""
    subjects = [subject for subject in run.subjects if subject.done]
    read_s = sum(int(check["bytes"]) for subject in subjects for check in subject.checks.values()) * _BYTE_S
    return read_s + sum(_frames_s(subject, decode=decode) for subject in subjects)


def verify(run: Run, tell: Tell, *, decode: bool) -> Iterator[Verified]:
    """Yield what is found of each source of a run."""
    for subject in run.subjects:
        findings = tuple(_Source(subject, run.settings, tell).findings(decode=decode)) if subject.done else ()
        record = subject.record
        verdict: Verdict = "wrong" if findings else "proved"
        if not subject.done:
            verdict = "camera" if subject.live else "unfinished"
        size = sum(int(check["bytes"]) for check in subject.checks.values())
        counts = (int(record.get("frames", 0)), len(subject.checks), size)
        yield Verified(subject.name, verdict, str(record["status"]), *counts, findings, record.get("error"))


class _Source:
    """One source that is finished, on its way through all that can be compared."""

    def __init__(self, subject: Subject, settings: Mapping[str, Any], tell: Tell) -> None:
        self._subject, self._settings, self._tell = subject, settings, tell
        self._tables = frames.tables(subject)

    def findings(self, *, decode: bool) -> Iterator[str]:
        """Yield all that is wrong with it."""
        yield from files.outputs(self._subject, self._read)
        yield from files.recording(self._subject, self._read)
        record = self._subject.record
        if record["status"] != "ok" and not (record["status"] == "failed" and record["error"]):
            yield f"is {record['status']}, and nothing says why"
        sound = []
        for name in self._tables:
            wrong = list(_readable(name, frames.numbering(name, self._rows(name), record)))
            yield from wrong
            sound += [] if wrong else [name]
        if sound:
            yield from self._compared(sound[0], decode=decode)
        elif _has_video(self._subject):
            yield from _readable("video", frames.video_alone(self._subject))

    def _compared(self, truth: str, *, decode: bool) -> Iterator[str]:
        """Yield where others differ from an output that is in order by itself."""
        for name in [name for name in self._tables if name != truth]:
            yield from _readable(name, frames.agreement(name, self._rows(name), truth, self._rows(truth)))
        if _has_video(self._subject):
            yield from _readable("video", frames.video(self._subject, self._rows(truth)))
        if decode:
            rows = self._rows(truth, _FRAME_S)
            yield from _readable(truth, decoded_anew(self._subject, rows, self._settings))

    def _read(self, count: int) -> None:
        self._tell(f"{self._subject.name}: checksums", count * _BYTE_S)

    def _rows(self, name: str, each_s: float = 0.0) -> Iterator[Row]:
        for row in self._tables[name]():
            self._tell(f"{self._subject.name}: {name}", _ROW_S + each_s)
            yield row


def _has_video(subject: Subject) -> bool:
    return subject.made(VideoSink().outputs(subject.folder, subject.name)[:1])


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
    passes = max(3 * tables - 1, 0) + _has_video(subject) + decode
    return count * (passes * _ROW_S + decode * _FRAME_S)
