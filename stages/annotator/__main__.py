"""The annotator's process."""

import sys
import threading
from functools import partial
from pathlib import Path

from pipeline import process
from pipeline.connect import open_broker, open_store, retention
from pipeline.errors import SinkError
from stages.annotator.opening import Opening
from stages.annotator.settings import AnnotatorRoot
from stages.annotator.stage import Annotator


def main(config: Path | None) -> int:
    """Write outputs until told to stop, and return the exit code."""
    return process.run_stage("annotator", AnnotatorRoot, config, _run)


def _run(settings: AnnotatorRoot, stop: threading.Event) -> None:
    output = settings.annotator.output
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"output folder {output}: can't be made: {error.strerror}") from error
    broker, store = open_broker(settings, fenced=True), open_store(settings)
    opening = Opening(broker, store, settings.annotator, partial(retention, settings))
    try:
        Annotator(broker, settings.name, opening.writer).run(stop)
    finally:
        opening.close()
        store.close()
        broker.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
