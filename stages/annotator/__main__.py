"""The annotator's process."""

import sys
import threading
from functools import partial
from pathlib import Path

from pipeline import process
from pipeline.broker import Broker
from pipeline.connect import open_broker, open_store, retained
from pipeline.errors import SinkError
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from stages.annotator.live_writer import LiveWriter, OpenSink
from stages.annotator.segments import stems
from stages.annotator.settings import AnnotatorRoot, AnnotatorSettings
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
    """Return a camera's writer, after giving the segments of a killed process their final form.

    Raises:
        SinkError: one of these can't be written.
    """
    folder, last = settings.output, -1
    left = stems(folder, source)[-1:]
    for segment in left:
        for sink in settings.sinks:
            if any(path.exists() for path in sink.outputs(folder, segment)):
                writer = sink.build(folder, segment)
                last = max(last, writer.done)
                writer.finish(last + 1, None)
    openers: dict[str, OpenSink] = {sink.kind: partial(sink.build, folder) for sink in settings.sinks}
    return LiveWriter(broker, store, source, openers, settings.segment_s, last)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
