"""The detector's process."""

import os
import sys
import threading
from pathlib import Path

import structlog

from pipeline import keys, process
from pipeline.connect import open_broker, open_store
from pipeline.errors import EngineDiedError
from stages.detector.engine import narrowed
from stages.detector.finder import Finder
from stages.detector.settings import DetectorRoot
from stages.detector.stage import Detector, Limits


def main(config: Path | None) -> int:
    """Detect objects until told to stop, and return the exit code."""
    return process.run_stage("detector", DetectorRoot, config, _run)


def _run(settings: DetectorRoot, stop: threading.Event) -> None:
    broker, store, wanted = open_broker(settings), open_store(settings), settings.detector
    engine = wanted.engine.build(wanted.model, wanted.imgsz)
    try:
        structlog.get_logger().info("engine ready", engine=engine.name, model=wanted.model)
        with broker.transaction() as transaction:
            transaction.set_fields(keys.ENGINES, {settings.name: engine.name})
        card = wanted.over(engine.card)
        rules = wanted.postprocess(card)
        if rules.multi_label:
            engine = narrowed(engine, rules.top_k, rules.classes)
        limits = Limits(settings.redis.max_deliveries, wanted.timeout_s)
        Detector(broker, store, engine, Finder(card, rules), settings.name, limits).run(stop)
    except EngineDiedError as error:
        structlog.get_logger().error("engine died", error=str(error))
        os._exit(process.CRASHED)  # its threads may never end: nothing here may wait for them
    finally:
        engine.close()
        store.close()
        broker.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
