"""Where a run lives while it runs: its folder, its broker, its end."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Timer

from pipeline.cli.config import RunSettings
from pipeline.cli.display import Display
from pipeline.cli.live_run import RUN_FOLDER
from pipeline.kept_broker import KeptBroker
from pipeline.memory import MIB, Budget


class End:
    """When a run is to end before its sources do: when somebody says so, or after a time."""

    def __init__(self, stop: Event, duration_s: float | None) -> None:
        self.stop, self.in_time = stop, False
        self._timer = None if duration_s is None else Timer(duration_s, self._due)
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()

    @property
    def interrupted(self) -> bool:
        return self.stop.is_set() and not self.in_time

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        if not self.stop.is_set():
            self.in_time = True
            self.stop.set()


@contextmanager
def run_folder() -> Iterator[Path]:
    """Yield a folder of one's own with a short path, gone afterwards; that of a run that was killed goes now."""
    for left in Path(tempfile.gettempdir()).glob(f"{RUN_FOLDER}*-*"):
        if not _lives(left.name.removeprefix(RUN_FOLDER).split("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{RUN_FOLDER}{os.getpid()}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: str) -> bool:
    return not pid.isdigit() or Path(f"/proc/{pid}").exists()


@contextmanager
def with_redis(settings: RunSettings, folder: Path, budget: Budget, display: Display) -> Iterator[RunSettings]:
    """Yield the settings with the URL of the given Redis, or of one that lives as long as the run."""
    settings = settings.model_copy(update={"memory_mb": budget.total_mb})
    if settings.redis.url is not None:
        yield settings
        return
    share_mb = budget.total_mb if settings.flow.frame_store == "redis" else budget.broker_mb
    told = {"level": "warning", "event": "the broker died; started again, with an empty memory"}
    with KeptBroker(folder, share_mb * MIB, lambda: display.log(told)) as server:
        yield settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": server.url})})
