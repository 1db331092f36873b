"""The detector's process."""

import sys
import threading
from pathlib import Path

import structlog

from pipeline import keys, process
from pipeline.connect import open_broker, open_store
from stages.detector.finder import Finder
from stages.detector.settings import DetectorRoot
from stages.detector.stage import Detector


def main(config: Path | None) -> int:
    """Detect objects until told to stop, and return the exit code."""
    return process.run_stage("detector", DetectorRoot, config, _run)


def _run(settings: DetectorRoot, stop: threading.Event) -> None:
    broker, store = open_broker(settings), open_store(settings)
    engine = settings.detector.engine.build(settings.detector.model)
    try:
        structlog.get_logger().info("engine ready", engine=engine.name, model=settings.detector.model)
        with broker.transaction() as transaction:
            transaction.set_fields(keys.ENGINES, {settings.name: engine.name})
        finder = Finder(engine.card, settings.detector.postprocess(engine.card))
        Detector(broker, store, engine, finder, settings.name, settings.redis.max_deliveries).run(stop)
    finally:
        engine.close()
        store.close()
        broker.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
