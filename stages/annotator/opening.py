"""Outputs opened, each where an earlier process has left it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from pipeline import keys
from pipeline.broker import Broker, Delivery
from pipeline.errors import SinkError
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.retention import Retention
from pipeline.source_report import report_source
from stages.annotator.couriers.dispatch import Dispatch
from stages.annotator.deriving import Deriving
from stages.annotator.finishing import Finishing
from stages.annotator.journal import Journal
from stages.annotator.live_output import OpenSink
from stages.annotator.live_writer import LiveWriter
from stages.annotator.past import Past
from stages.annotator.screens.screen import Screen
from stages.annotator.segments import stems
from stages.annotator.settings import AnnotatorSettings, WrittenSettings
from stages.annotator.sink import Sink
from stages.annotator.sinks.jsonl import JsonlSink
from stages.annotator.stage import SourceWriter
from stages.annotator.writer import Writer

_USUAL_FPS: Final = 25.0


class Recorded:
    """A recording that an earlier process has finished: there is nothing to write."""

    position, hungry, finished, retells = "0", False, True, True

    def take(self, delivery: Delivery) -> None:
        """Take nothing."""

    def advance(self) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Close nothing."""


class Opening:
    """Opens the outputs of sources in one folder."""

    def __init__(
        self, broker: Broker, store: FrameStore, settings: AnnotatorSettings, retain: Callable[[str], Retention]
    ) -> None:
        """Start what sends. `retain`: how much of a source stays for late readers.

        Raises:
            ConfigError: a sink that sends lacks a library, or a setting.
        """
        self._broker, self._store, self._settings, self._retain = broker, store, settings, retain
        self._dispatch = Dispatch(broker, settings.output, settings.sent)

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

    def close(self) -> None:
        """Send what is still to be sent, as far as that goes quickly."""
        self._dispatch.close()

    def _of_a_recording(self, source: str, journal: Journal) -> Writer:
        finishing, recording = Finishing(self._settings), self._recording(source)
        hidden = {} if finishing.shown else {"journal": JsonlSink().build(finishing.lines_folder, source)}
        output, written = self._settings.output, self._settings.written
        sinks: dict[str, Sink] = {**hidden, **{sink.kind: sink.build(output, source, recording) for sink in written}}

        def record() -> Iterator[None]:
            report = self._report(source)
            yield from finishing.derive(source, source, recording)
            files = finishing.files(source, source)
            checks = yield from finishing.checks(files)
            found = report | {"files": list(map(str, files)), "checks": checks, "recording": _seen(recording)}
            journal.finish(found)
            finishing.forget_lines(source)
            self._recorded(source, found)  # a broker may have lost its memory meanwhile

        past = Past(journal, finishing.lines(source))
        for showing in self._settings.shown:
            structlog.get_logger().info("shows cameras only: nothing of a recording", source=source, sink=showing.kind)
        fps = float(Ledger(self._broker, source).read().fields.get("fps", _USUAL_FPS)) or _USUAL_FPS
        retain, postings = self._retain(source).of_a_recording(fps), self._dispatch.for_recording(source)
        with ExitStack() as opened:  # a broker that dies now must not leave an output locked
            for sink in sinks.values():
                opened.callback(sink.close)
            writer = Writer(self._broker, self._store, source, sinks, retain, past, record, postings)
            opened.pop_all()
        return writer

    def _of_a_camera(self, source: str) -> LiveWriter:
        """Return a camera's writer, after giving the last segment of a killed process its final form."""
        folder, sinks, finishing = self._settings.output, self._settings.written, Finishing(self._settings)
        places: list[tuple[WrittenSettings, Path]] = [(sink, folder) for sink in sinks]
        places += [] if finishing.shown else [(JsonlSink(), finishing.lines_folder)]
        last = max(
            (_completed(sink, place, stem) for sink, place in places for stem in stems(place, source)[-1:]), default=-1
        )
        openers: dict[str, OpenSink] = {sink.kind: partial(sink.build, folder) for sink in sinks}
        if not finishing.shown:
            openers["journal"] = partial(JsonlSink().build, finishing.lines_folder)

        def derive(segment: str) -> Iterator[None]:
            yield from finishing.derive(segment, source, None)
            finishing.forget_lines(segment)

        undone = [stem for stem in stems(finishing.lines_folder, source) if finishing.is_left(stem, source)]
        deriving = Deriving(derive, undone) if self._settings.derived else None
        return LiveWriter(
            self._broker,
            self._store,
            source,
            openers,
            self._settings.segment_s,
            last,
            deriving,
            self._dispatch.for_camera(source),
            [Screen(showing, showing.target(folder, source)) for showing in self._settings.shown],
        )

    def _recorded(self, source: str, record: dict[str, Any]) -> Recorded:
        frames = int(record["frames"])
        places = {f"{field}.{keys.ANNOTATOR}": frames - 1 for field in ("done", "durable")}
        counts = {"frames": frames, "decoded": frames, "published": frames - 1, "resumed": frames}
        facts = {"error": record["error"] or "", f"finished.{keys.ANNOTATOR}": 1}
        Ledger(self._broker, source).write(counts | places | facts)
        return Recorded()

    def _report(self, source: str) -> dict[str, Any]:
        """Return what became of a source."""
        path = Ledger(self._broker, source).read().text("path")
        return asdict(report_source(self._broker, source, path, [], interrupted=False, finished=True))

    def _recording(self, source: str) -> Path | None:
        """Return the recording, None if it is no file that can be read here."""
        path = Path(Ledger(self._broker, source).read().text("path"))
        if path.is_file():
            return path
        structlog.get_logger().info("the recording is no file here: no sound of it", source=source)
        return None


def _seen(recording: Path | None) -> dict[str, Any] | None:
    """Return what a recording can be known by."""
    if recording is None or not recording.exists():
        return None
    found = recording.stat()
    return {
        "path": str(recording.resolve()),
        "bytes": found.st_size,
        "changed_ns": found.st_mtime_ns,
    }


def _completed(sink: WrittenSettings, folder: Path, segment: str) -> int:
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
