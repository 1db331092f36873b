"""Subscribers beside a publisher: messages a second, from publication to hand, at what cost, and whom they slow down.

    python -m benchmarks.subscribers
    python -m benchmarks.subscribers --subscribers 1 10 --seconds 20 --nice 0

A publisher puts out 30 sources of 25 frames a second with 20 boxes each, one transaction a frame, as the tracker does.
`detstream`: subscribers of all sources, `subscribe_async` in two processes. `bare`: connections that follow one source
each and only take what Redis sends, as many programs in faster languages would. All share this machine's cores, so
subscribers have a lower priority (`--nice`); elsewhere they would have hosts of their own.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.processes import processor_s
from benchmarks.report import save
from benchmarks.subscribing import Counted, Load, bare, publish, subscribe_to_all
from pipeline.embedded_broker import EmbeddedBroker

_SETTLE_S: Final = 2.0
_PROCESSES: Final = 2
_SPAWN: Final = multiprocessing.get_context("spawn")


def main() -> None:
    """Measure every number of subscribers, and print a table."""
    options = _options()
    load = Load(sources=options.sources, fps=options.fps, boxes=options.boxes, seconds=options.seconds)
    rows = [_measured("none", 0, load, options.nice)]
    rows += [_measured("detstream", count, load, options.nice) for count in options.subscribers]
    rows += [_measured("bare", count, load, options.nice) for count in options.bare]
    for row in rows:
        row["ratio"] = round(row["published_s"] / rows[0]["published_s"], 3)
    _show(rows)
    save(options.output, {"load": load.__dict__, "nice": options.nice, "rows": rows})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--bare", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--sources", type=int, default=30)
    parser.add_argument("--fps", type=float, default=25)
    parser.add_argument("--boxes", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--nice", type=int, default=10, help="of subscribers, 0 to 19")
    parser.add_argument("--output", type=Path, default=Path("out/benchmarks/subscribers.json"))
    return parser.parse_args()


def _measured(kind: str, count: int, load: Load, nice: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, EmbeddedBroker(Path(folder)) as server:
        results: Any = _SPAWN.Queue()
        follow = subscribe_to_all if kind == "detstream" else bare
        shares = [share for share in _shared_out(count) if share[1]]
        arguments = [(server.url, first, share, load, nice, results) for first, share in shares]
        with _running(follow, arguments) as subscribers:
            time.sleep(_SETTLE_S if count else 0)
            with _running(publish, [(server.url, load, results)]):
                before_s = processor_s(server.pid or 0)
                published: Counted = results.get(timeout=120)
            counted = [results.get(timeout=300) for _ in subscribers]
            server_s = processor_s(server.pid or 0) - before_s
    return _row(kind, count, load, published, counted, server_s)


def _shared_out(count: int) -> list[tuple[int, int]]:
    """Return the first one of each process's subscribers, and how many these are."""
    shares = [count // _PROCESSES + (number < count % _PROCESSES) for number in range(_PROCESSES)]
    return [(sum(shares[:number]), share) for number, share in enumerate(shares)]


@contextmanager
def _running(target: Callable[..., None], arguments: list[tuple[Any, ...]]) -> Iterator[list[BaseProcess]]:
    processes: list[BaseProcess] = [_SPAWN.Process(target=target, args=given) for given in arguments]
    for process in processes:
        process.start()
    try:
        yield processes
    finally:
        for process in processes:
            process.join(30)
            process.kill()


def _row(
    kind: str, count: int, load: Load, published: Counted, counted: list[Counted], server_s: float
) -> dict[str, Any]:
    latencies = np.concatenate([np.array(one.latency_ms) for one in counted] or [np.zeros(0)])
    handed = sum(one.handed for one in counted)
    wanted = published.handed * count / (load.sources if kind == "bare" else 1)
    wall_s = max([one.wall_s for one in counted] or [published.wall_s])
    return {
        "subscribers": f"{count} {kind}" if count else kind,
        "published_s": round(published.handed / published.wall_s),
        "handed_s": round(handed / wall_s),
        "of_wanted": round(handed / wanted, 3) if wanted else 1.0,
        "p10_ms": _quantile(latencies, 10),
        "p50_ms": _quantile(latencies, 50),
        "p99_ms": _quantile(latencies, 99),
        "missed": sum(one.missed for one in counted),
        "server_cores": round(server_s / wall_s, 2),
        "publisher_cores": round(published.cores, 2),
        "subscriber_cores": round(sum(one.cores for one in counted), 2),
        "server_us": _us(server_s, max(handed, published.handed)),
        "publisher_us": _us(published.cores * published.wall_s, published.handed),
        "subscriber_us": _us(sum(one.cores * one.wall_s for one in counted), handed),
    }


def _us(seconds: float, messages: int) -> float | None:
    """Return microseconds of a core a message, which other work on the machine changes least."""
    return round(seconds * 1e6 / messages, 1) if messages else None


def _quantile(values: Any, share: int) -> float | None:
    return round(float(np.percentile(values, share)), 2) if len(values) else None


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold")
    for heading in rows[0]:
        table.add_column(heading.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console(width=200).print(table)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
