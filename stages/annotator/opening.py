"""Outputs opened, each where an earlier process has left it."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from pipeline import keys
from pipeline.broker import Broker, Delivery
from pipeline.errors import SinkError
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.source_report import report_source
from stages.annotator.append_file import writing
from stages.annotator.journal import FOLDER, Journal
from stages.annotator.live_writer import LiveWriter, OpenSink
from stages.annotator.past import Past
from stages.annotator.segments import stems
from stages.annotator.settings import AnnotatorSettings, SinkSettings
from stages.annotator.sink import Sink
from stages.annotator.sinks.jsonl import JsonlSink
from stages.annotator.stage import SourceWriter
from stages.annotator.writer import Writer


class Recorded:
    """A recording that an earlier process has finished: there is nothing to write."""

    position, hungry, finished = "0", False, True

    def take(self, delivery: Delivery) -> None:
        """Take nothing."""

    def advance(self) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Close nothing."""


class Opening:
    """Opens the outputs of sources in one folder."""

    def __init__(self, broker: Broker, store: FrameStore, settings: AnnotatorSettings, retain: int) -> None:
        self._broker, self._store, self._settings, self._retain = broker, store, settings, retain

    def writer(self, source: str) -> SourceWriter:
        """Return what writes a source's outputs.

        Raises:
            SinkError: one can't be written.
        """
        if Ledger(self._broker, source).read().live:
            return self._of_a_camera(source)
        journal = Journal(self._settings.output, source)
        record = journal.record()
        return self._of_a_recording(source, journal) if record is None else self._recorded(source, record)

    def _of_a_recording(self, source: str, journal: Journal) -> Writer:
        output = self._settings.output
        text = next((sink for sink in self._settings.sinks if isinstance(sink, JsonlSink)), None)
        hidden = output / FOLDER
        lines = (text or JsonlSink()).outputs(output if text else hidden, source)[0]
        sinks: dict[str, Sink] = {} if text else {"journal": JsonlSink().build(hidden, source)}
        sinks |= {sink.kind: sink.build(output, source) for sink in self._settings.sinks}

        def record() -> None:
            journal.finish(self._report(source))
            if text is None:
                lines.unlink(missing_ok=True)

        return Writer(self._broker, self._store, source, sinks, self._retain, Past(journal, lines), record)

    def _of_a_camera(self, source: str) -> LiveWriter:
        """Return a camera's writer, after giving the last segment of a killed process its final form."""
        folder, sinks = self._settings.output, self._settings.sinks
        left = stems(folder, source)[-1:]
        last = max((_completed(sink, folder, segment) for segment in left for sink in sinks), default=-1)
        openers: dict[str, OpenSink] = {sink.kind: partial(sink.build, folder) for sink in sinks}
        return LiveWriter(self._broker, self._store, source, openers, self._settings.segment_s, last)

    def _recorded(self, source: str, record: dict[str, Any]) -> Recorded:
        frames = int(record["frames"])
        places = {f"{field}.{keys.ANNOTATOR}": frames - 1 for field in ("done", "durable")}
        fields = {"frames": frames, "decoded": frames, "published": frames - 1, "error": record["error"] or ""}
        Ledger(self._broker, source).write(fields | places | {f"finished.{keys.ANNOTATOR}": 1})
        return Recorded()

    def _report(self, source: str) -> dict[str, Any]:
        """Return what became of a source, and what its outputs are to be known by."""
        output = self._settings.output
        files = [path for sink in self._settings.sinks for path in sink.outputs(output, source) if path.exists()]
        path = Ledger(self._broker, source).read().text("path")
        report = report_source(self._broker, source, path, list(map(str, files)), interrupted=False, finished=True)
        return asdict(report) | {"checks": checks(files)}


def _completed(sink: SinkSettings, folder: Path, segment: str) -> int:
    """Give a segment its final form, if it is there and can be written, and return the last frame in it."""
    if not any(path.exists() for path in sink.outputs(folder, segment)):
        return -1
    try:
        writer = sink.build(folder, segment)
        writer.finish(writer.done + 1, None)
    except SinkError as error:  # the other outputs, and the next segment, may well be written
        structlog.get_logger().error("output fails", kind=sink.kind, error=str(error))
        return -1
    return writer.done


def checks(files: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of files, by name; of a video the size alone: its frames can be counted.

    Raises:
        SinkError: one can't be read.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in files:
        with writing(path):
            found[path.name] = {"bytes": path.stat().st_size}
            if path.suffix != ".mp4":
                found[path.name]["sha256"] = digest(path)
    return found


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
