"""The annotator's process."""

import sys
import threading
from functools import partial
from pathlib import Path

import structlog

from pipeline import process
from pipeline.broker import Broker
from pipeline.connect import open_broker, open_store, retained
from pipeline.errors import SinkError
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from stages.annotator.live_writer import LiveWriter, OpenSink
from stages.annotator.segments import stems
from stages.annotator.settings import AnnotatorRoot, AnnotatorSettings, SinkSettings
from stages.annotator.sink import Sink
from stages.annotator.stage import Annotator, SourceWriter
from stages.annotator.writer import Writer


def main(config: Path | None) -> int:
    """Write outputs until told to stop, and return the exit code."""
    return process.run_stage("annotator", AnnotatorRoot, config, _run)


def _run(settings: AnnotatorRoot, stop: threading.Event) -> None:
    output = settings.annotator.output
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"output folder {output}: can't be made: {error.strerror}") from error
    broker, store = open_broker(settings), open_store(settings)
    retain = retained(settings)

    def open_writer(source: str) -> SourceWriter:
        if Ledger(broker, source).read().live:
            return live_writer(broker, store, source, settings.annotator)
        sinks: dict[str, Sink] = {sink.kind: sink.build(output, source) for sink in settings.annotator.sinks}
        return Writer(broker, store, source, sinks, retain)

    try:
        Annotator(broker, settings.name, open_writer).run(stop)
    finally:
        store.close()
        broker.close()


def live_writer(broker: Broker, store: FrameStore, source: str, settings: AnnotatorSettings) -> LiveWriter:
    """Return a camera's writer, after giving the last segment of a killed process its final form."""
    folder, left = settings.output, stems(settings.output, source)[-1:]
    last = max((_completed(sink, folder, segment) for segment in left for sink in settings.sinks), default=-1)
    openers: dict[str, OpenSink] = {sink.kind: partial(sink.build, folder) for sink in settings.sinks}
    return LiveWriter(broker, store, source, openers, settings.segment_s, last)


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


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
