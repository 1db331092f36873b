"""Simulated cameras and an engine of fixed cost: how old what is detected is, how much, how fairly, at what cost.

    python -m benchmarks.live
    python -m benchmarks.live --cameras 1 16 --seconds 30

Two engines that sleep: 40 ms a frame, one at a time (a CPU), and 8 ms + 1 ms a frame in batches of up to 16 (a GPU).
The real command runs, with tracking and JSON lines; figures are read from the public streams and from /proc, after the
first seconds.
"""

import argparse
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.command import detstream
from benchmarks.processes import descendants, memory_bytes, processor_s
from benchmarks.report import save
from pipeline import keys
from pipeline.broker import Broker
from pipeline.cli.live_run import notes
from pipeline.connect import open_broker
from pipeline.messages import Detections
from pipeline.settings import KernelSettings, RedisSettings
from pipeline.wire import decode

_FPS: Final = 25
_SETTLE_S: Final = 4.0
_START_S: Final = 60.0
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Engine:
    """An engine of fixed cost."""

    name: str
    cost_ms: float
    cost_per_frame_ms: float
    max_batch: int

    def most_fps(self, cameras: int) -> float:
        """Return how many frames a second it can do of so many cameras."""
        batch = min(self.max_batch, cameras)
        return min(batch / (self.cost_ms + batch * self.cost_per_frame_ms) * 1000, cameras * _FPS)

    def interval_ms(self, cameras: int) -> float:
        """Return what a batch takes."""
        return self.cost_ms + min(self.max_batch, cameras) * self.cost_per_frame_ms


_ENGINES: Final = {"cpu": _Engine("40 ms a frame", 0, 40, 1), "gpu": _Engine("8 ms + 1 ms a frame", 8, 1, 16)}


@dataclass(slots=True)
class _Seen:
    """What came in the time that counts."""

    latency_ms: list[float] = field(default_factory=list)
    age_ms: list[float] = field(default_factory=list)
    frames: Counter[str] = field(default_factory=Counter)
    captured: int = 0

    def add(self, found: Detections) -> None:
        meta = found.frame
        self.latency_ms.append((found.published_ns - meta.captured_ns) / 1e6)
        self.age_ms.append((found.begun_ns - meta.captured_ns) / 1e6)
        self.frames[meta.source] += 1
        self.captured += 1 + found.dropped_before


def main() -> None:
    """Measure, print a table, write JSON."""
    options = _options()
    rows = []
    for kind in options.engines:
        for cameras in options.cameras:
            rows.append(_measured(_ENGINES[kind], cameras, options.seconds))
            _show(rows)
    save(options.json, {"benchmark": "live", "fps": _FPS, "seconds": options.seconds, "rows": rows})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cameras", nargs="+", type=int, default=[1, 4, 16, 64])
    parser.add_argument("--engines", nargs="+", choices=tuple(_ENGINES), default=list(_ENGINES))
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--json", type=Path, default=Path("out/benchmarks/live.json"))
    return parser.parse_args()


def _measured(engine: _Engine, cameras: int, seconds: float) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="detstream-bench-") as folder,
        _running(engine, cameras, Path(folder)) as run,
    ):
        broker = _connected(run.pid)
        streams = _settled(broker, cameras)
        before, begun_s = _processes(run.pid), time.monotonic()
        seen = _read(broker, streams, seconds)
        wall_s, after = time.monotonic() - begun_s, _processes(run.pid)
        broker.close()
    cpu_s = sum(after[pid][0] - before.get(pid, (0.0, 0))[0] for pid in after)
    return _row(engine, cameras, seen, wall_s, cpu_s, sum(memory for _, memory in after.values()))


def _row(engine: _Engine, cameras: int, seen: _Seen, wall_s: float, cpu_s: float, memory: int) -> dict[str, Any]:
    detected = sum(seen.frames.values()) / wall_s
    rates = [seen.frames[f"cam-{number}"] for number in range(1, cameras + 1)]
    quantiles = {f"latency_p{share}_ms": _quantile(seen.latency_ms, share) for share in (50, 95, 99)}
    return {
        "engine": engine.name,
        "cameras": cameras,
        "interval_ms": engine.interval_ms(cameras),
        **quantiles,
        "age_p50_ms": _quantile(seen.age_ms, 50),
        "age_p95_ms": _quantile(seen.age_ms, 95),
        "detections_s": round(detected, 1),
        "of_possible": round(detected / engine.most_fps(cameras), 3),
        "fairness": round(min(rates) / (sum(rates) / cameras), 3),
        "captured_share": round(seen.captured / wall_s / (cameras * _FPS), 3),
        "cpu_ms_a_camera_frame": round(cpu_s * 1000 / max(seen.captured, 1), 2),
        "cores": round(cpu_s / wall_s, 2),
        "memory_mb": memory >> 20,
    }


@contextmanager
def _running(engine: _Engine, cameras: int, folder: Path) -> "Iterator[subprocess.Popen[bytes]]":
    probe = {"kind": "probe", "cost_ms": engine.cost_ms, "cost_per_frame_ms": engine.cost_per_frame_ms}
    config = {"detector": {"engine": probe | {"max_batch": engine.max_batch}}, "flow": {"retain": 400}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    sources = [f"cam-{n}=sim://street?fps={_FPS}&objects=2&seed={n}&size=320x180" for n in range(1, cameras + 1)]
    arguments = ("--config", str(folder / "config.yaml"), "--output", str(folder / "out"), "--no-video")
    command = detstream("run", *sources, *arguments)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def _connected(pid: int) -> Broker:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s:
        for note in notes():
            if note.pid == pid:
                return open_broker(KernelSettings(redis=RedisSettings(url=note.url)))
        time.sleep(_POLL_S)
    raise SystemExit("the run did not begin")


def _settled(broker: Broker, cameras: int) -> dict[str, str]:
    """Wait until every camera is live and a little longer, and return the newest entry of each stream."""
    streams = [keys.detections(f"cam-{number}") for number in range(1, cameras + 1)]
    after, deadline_s = dict.fromkeys(streams, "0"), time.monotonic() + _START_S
    settled_s = 0.0
    while time.monotonic() < deadline_s:
        for delivery in broker.read(after, 100, _POLL_S):
            after[delivery.stream] = delivery.id
        if not settled_s and "0" not in after.values():
            settled_s = time.monotonic()
        if settled_s and time.monotonic() - settled_s > _SETTLE_S:
            return after
    raise SystemExit(f"cameras without a frame: {[name for name, place in after.items() if place == '0']}")


def _read(broker: Broker, after: dict[str, str], seconds: float) -> _Seen:
    seen, ends_s = _Seen(), time.monotonic() + seconds
    pause = threading.Event()
    while (left_s := ends_s - time.monotonic()) > 0:
        pause.wait(min(left_s, 0.5))  # to read in bulk, so as not to disturb what is measured
        for delivery in broker.read(after, 200, 0):
            after[delivery.stream] = delivery.id
            message = decode(delivery.body)
            if isinstance(message, Detections):
                seen.add(message)
    return seen


def _processes(pid: int) -> dict[int, tuple[float, int]]:
    """Return seconds of processor and bytes of memory of each process of a run."""
    return {child: (processor_s(child), memory_bytes(child)) for child in (pid, *descendants(pid))}


def _quantile(values: list[float], share: int) -> float:
    return round(float(np.percentile(values, share)), 1) if values else float("nan")


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold")
    for heading in rows[0]:
        table.add_column(heading.replace("_", " "), justify="left" if heading == "engine" else "right")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
