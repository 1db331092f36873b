"""Whether every frame is there once, in order, with the same content in every output."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, TypeAlias

from pipeline.cli.verify_subject import Subject
from stages.annotator.derived import Row
from stages.annotator.fragments import TICKS_A_SECOND
from stages.annotator.lines import read_fields, row_of
from stages.annotator.remux import shown_at
from stages.annotator.sinks.coco import CocoSink
from stages.annotator.sinks.jsonl import JsonlSink
from stages.annotator.sinks.parquet import ParquetSink
from stages.annotator.sinks.video import VideoSink, ticks_of

Rows: TypeAlias = Callable[[], Iterable[Row]]
"""Reads an output anew."""

_SLACK_TICKS: Final = 2
"""Lines have microseconds, videos 90,000 ticks a second."""


def tables(subject: Subject) -> Mapping[str, Rows]:
    """Return the outputs of a source that hold detections, by the names of their files, the truth first."""
    folder, name = subject.folder, subject.name
    lines = JsonlSink().outputs(folder, name)
    found: dict[str, Rows] = {}
    if subject.made(lines):
        found[lines[0].name] = lambda: _lines(lines[0])
    parquet = ParquetSink.model_construct()  # without asking whether pyarrow is there: that is said below
    if subject.made(parquet.outputs(folder, name)):
        found["parquet"] = lambda: parquet.rows(folder, name)
    coco = CocoSink()
    if subject.made(coco.outputs(folder, name)):
        found[coco.outputs(folder, name)[0].name] = lambda: coco.rows(folder, name)
    return found


def numbering(what: str, rows: Iterable[Row], record: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the frames of an output are not 0, 1, 2 …, and where they don't add up to what the record says."""
    last, counts = -1, {"frames": 0, "failed": 0, "detections": 0}
    for row in rows:
        if row.seq > last + 1:
            yield f"{what}: {_frames(last + 1, row.seq - 1)} missing"
        elif row.seq <= last:
            yield f"{what}: frame {row.seq} stands {'there twice' if row.seq == last else f'behind frame {last}'}"
        last = max(last, row.seq)
        counts["frames"] += 1
        counts["failed"] += row.status == "failed"
        counts["detections"] += len(row.objects)
    for name, count in counts.items():
        if count != record[name]:
            unit = "failed frames" if name == "failed" else name
            yield f"{what}: has {count:,} {unit}, not {record[name]:,} as in the manifest"


def agreement(what: str, rows: Iterable[Row], truth: str, true_rows: Iterable[Row]) -> Iterator[str]:
    """Yield where an output tells something else of a frame than the one that is the truth."""
    ours, theirs = iter(rows), iter(true_rows)
    row, true = next(ours, None), next(theirs, None)
    while row is not None and true is not None:
        if row.seq == true.seq and row != true:
            yield f"{what}: frame {row.seq} {_difference(row, true)} {truth}"
        step_ours, step_theirs = row.seq <= true.seq, true.seq <= row.seq
        row = next(ours, None) if step_ours else row
        true = next(theirs, None) if step_theirs else true


def video(subject: Subject, rows: Iterable[Row]) -> Iterator[str]:
    """Yield where an annotated video has not each frame at its time.

    Raises:
        SourceError: it can't be read to its end.
    """
    path = VideoSink().outputs(subject.folder, subject.name)[0]
    shown = wanted = 0
    for ticks, at_s in zip_longest(ticks_of(row.pts_s for row in rows), shown_at(path)):
        shown, wanted = shown + (at_s is not None), wanted + (ticks is not None)
        if ticks is not None and at_s is not None and abs(at_s * TICKS_A_SECOND - ticks) > _SLACK_TICKS:
            yield f"{path.name}: frame {wanted - 1} is shown at {at_s:.4f} s, not at {ticks / TICKS_A_SECOND:.4f} s"
    if shown != wanted:
        yield f"{path.name}: has {shown:,} frames, not {wanted:,}"


def video_alone(subject: Subject) -> Iterator[str]:
    """Yield what can be said of an annotated video that nothing tells the times of.

    Raises:
        SourceError: it can't be read to its end.
    """
    path = VideoSink().outputs(subject.folder, subject.name)[0]
    shown, wanted = sum(1 for _ in shown_at(path)), subject.record["frames"]
    if shown != wanted:
        yield f"{path.name}: has {shown:,} frames, not {wanted:,}"


def _lines(path: Path) -> Iterator[Row]:
    """Yield what lines tell.

    Raises:
        ValueError: one is not whole.
    """
    whole = count = 0
    for end, fields in read_fields(path):
        yield row_of(fields)
        whole, count = end, count + 1
    if whole != path.stat().st_size:
        raise ValueError(f"line {count + 1} is damaged")


def _frames(first: int, last: int) -> str:
    return f"frame {first} is" if first == last else f"frames {first} to {last} are"


def _difference(row: Row, true: Row) -> str:
    if row.pts_s != true.pts_s:
        return f"is of {row.pts_s} s, of {true.pts_s} s in"
    if row.status != true.status:
        return f"is {row.status}, {true.status} in"
    if len(row.objects) != len(true.objects):
        return f"has {len(row.objects)} detections, {len(true.objects)} in"
    return "has another detection than"
