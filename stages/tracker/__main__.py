"""The tracker's process."""

import sys
import threading
from pathlib import Path

from pipeline import process
from pipeline.connect import open_broker, retention
from stages.tracker.channel import Channel
from stages.tracker.live_channel import LiveChannel
from stages.tracker.settings import TrackerRoot
from stages.tracker.stage import Line, Tracker


def main(config: Path | None) -> int:
    """Order, track and publish until told to stop, and return the exit code."""
    return process.run_stage("tracker", TrackerRoot, config, _run)


def _run(settings: TrackerRoot, stop: threading.Event) -> None:
    broker = open_broker(settings, fenced=True)

    def open_line(source: str, live: bool) -> Line:
        retain = retention(settings, source)
        if live:
            return LiveChannel(broker, source, settings.tracker, retain)
        return Channel(broker, source, settings.tracker, retain.frames)

    try:
        Tracker(broker, settings.name, open_line).run(stop)
    finally:
        broker.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
