"""What `detstream selftest` does and shows."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline import keys, log, strip
from pipeline.broker import Broker
from pipeline.cli.config import RunOptions, resolve
from pipeline.cli.display import Display
from pipeline.cli.live_run import notes
from pipeline.cli.run import How, run
from pipeline.connect import open_broker
from pipeline.errors import BrokerError
from pipeline.messages import Detections
from pipeline.settings import KernelSettings, RedisSettings
from pipeline.wire import decode
from stages.detector.engines.probe import number_of

_POLL_S: Final = 0.05
_BLOCK_S: Final = 0.2
_BATCH: Final = 256
_PATIENCE_S: Final = 5.0
_LEAST_SHARE: Final = 0.1
"""Of the frames that could be looked at; the first seconds go by while everything starts."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried."""

    duration_s: float
    cameras: int
    fps: float
    size: str
    engine_ms: float

    @property
    def least_frames(self) -> int:
        """How many frames must be looked at, by what the cameras and the engine could."""
        engine_fps = 1000 / self.engine_ms if self.engine_ms else float("inf")
        return max(int(self.duration_s * min(self.cameras * self.fps, engine_fps) * _LEAST_SHARE), 1)

    @property
    def sources(self) -> tuple[str, ...]:
        """Simulated cameras, each with its own scene and tag."""
        return tuple(
            f"sim-{tag}=sim://street?fps={self.fps:g}&seed={tag}&size={self.size}" for tag in range(1, self.cameras + 1)
        )


@dataclass(slots=True)
class Result:
    """What came of it."""

    least: int = 1
    """So many frames have to be matched."""
    published: int = 0
    matched: int = 0
    """Frames whose pixels carried their own number."""
    wrong_pixels: int = 0
    unreadable: int = 0
    """Frames without a number that could be read."""
    failed: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    dropped: int = 0
    """Frames that were told to be dropped: something newer came."""
    gaps_untold: int = 0
    latency_s: list[float] = field(default_factory=list)
    """From capture to publication."""

    @property
    def passed(self) -> bool:
        """Whether there is enough, and nothing is wrong with it."""
        bad = self.wrong_pixels + self.unreadable + self.failed + self.duplicates + self.out_of_order + self.gaps_untold
        return self.matched >= self.least and bad == 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, latencies as quantiles in milliseconds."""
        latencies = {f"latency_p{share}_ms": _quantile_ms(self.latency_s, share) for share in (50, 95, 99)}
        return {"passed": self.passed, **{k: v for k, v in asdict(self).items() if k != "latency_s"}, **latencies}

    def add(self, found: Detections, tag: int, last: int) -> None:
        """Judge a published frame of the camera with this tag; `last` is the one before it."""
        seq = found.frame.seq
        self.published += 1
        self.dropped += found.dropped_before
        self.duplicates += seq == last
        self.out_of_order += seq < last
        self.gaps_untold += seq > last and found.dropped_before != seq - last - 1
        self.latency_s.append((found.published_ns - found.frame.captured_ns) / 1e9)
        if found.error is not None:
            self.failed += 1
            return
        number = number_of(found)
        self.matched += number == strip.tagged(tag, seq)
        self.unreadable += number is None
        self.wrong_pixels += number is not None and number != strip.tagged(tag, seq)


def run_trial(trial: Trial, console: Console, stop: Event) -> Result:
    """Run it, and return what came of it.

    Raises:
        DetstreamError: it can't be run.
    """
    log.configure("selftest", level="error")  # that the broker goes is no news to its own watcher
    with tempfile.TemporaryDirectory(prefix="detstream-selftest-") as folder:
        options = RunOptions(trial.sources, output=Path(folder), engine="probe", video=False)
        settings = resolve(options)
        engine = settings.detector.engine.model_copy(update={"cost_ms": trial.engine_ms})
        settings = settings.model_copy(update={"detector": settings.detector.model_copy(update={"engine": engine})})
        with _watched(trial) as result:
            run(settings, How(force=True, duration_s=trial.duration_s), Display(console), stop)
    return result


def result_table(result: Result) -> Table:
    """Return what came of it, a row a figure."""
    table = Table(box=None, show_header=False)
    for name, value in result.as_dict().items():
        good = name not in ("wrong_pixels", "unreadable", "failed", "duplicates", "out_of_order", "gaps_untold")
        style = "green" if good or not value else "red"
        shown = f"{value:.1f}" if isinstance(value, float) else str(value)
        table.add_row(name.replace("_", " "), f"[{style}]{shown}[/]")
    return table


@contextmanager
def _watched(trial: Trial) -> Iterator[Result]:
    """Read what this process's run publishes while the block lasts, as any subscriber could."""
    result, over = Result(least=trial.least_frames), Event()
    reader = threading.Thread(target=_read, args=(result, trial.cameras, over), daemon=True)
    reader.start()
    try:
        yield result
    finally:
        over.set()
        reader.join(_PATIENCE_S)


def _read(result: Result, cameras: int, over: Event) -> None:
    tags = {keys.detections(f"sim-{tag}"): tag for tag in range(1, cameras + 1)}
    broker = _connected(over)
    if broker is None:
        return
    threading.Thread(target=_close_when, args=(over, broker), daemon=True).start()
    after, last = dict.fromkeys(tags, "0"), dict.fromkeys(tags, -1)
    try:
        while not over.is_set():
            for delivery in broker.read(after, _BATCH, _BLOCK_S):
                after[delivery.stream] = delivery.id
                message = decode(delivery.body)
                if isinstance(message, Detections):
                    result.add(message, tags[delivery.stream], last[delivery.stream])
                    last[delivery.stream] = message.frame.seq
    except BrokerError:
        pass  # the run is over, and its broker with it


def _close_when(over: Event, broker: Broker) -> None:
    over.wait()
    broker.close()


def _connected(over: Event) -> Broker | None:
    while not over.wait(_POLL_S):
        for note in notes():
            if note.pid == os.getpid():
                return open_broker(KernelSettings(redis=RedisSettings(url=note.url)))
    return None


def _quantile_ms(latencies: list[float], share: int) -> float | None:
    return round(float(np.percentile(latencies, share)) * 1000, 1) if latencies else None
