"""The decoder's process."""

import sys
import threading
from pathlib import Path

import structlog

from pipeline import process
from pipeline.connect import open_broker, open_store, ring_folder
from pipeline.memory import plan
from stages.decoder.settings import DecoderRoot
from stages.decoder.stage import Decoder, Room


def main(config: Path | None) -> int:
    """Decode the sources of a settings file until all are finished, and return the exit code."""
    return process.run_stage("decoder", DecoderRoot, config, _run)


def _run(settings: DecoderRoot, stop: threading.Event) -> None:
    budget = plan(settings.memory_mb, ring_folder(settings))
    room = Room(settings.flow, budget, settings.decoder.parallel)
    broker, store = open_broker(settings), open_store(settings)
    try:
        for removed in store.sweep():
            structlog.get_logger().info("swept", removed=removed)
        sources = [(named.name, named.source) for named in settings.decoder.sources]
        Decoder(broker, store, room, settings.name, stop).run(sources)
    finally:
        store.close()
        broker.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
