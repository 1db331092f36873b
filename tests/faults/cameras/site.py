"""Cameras of all kinds under one run, one of them steady, so that each fault shows what it does to the others."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from pipeline.cli.live_run import notes
from tests.e2e.command import Running, detstream
from tests.faults.cameras.watcher import Watcher, check_order, latency_s, longest_pause_s, until

STEADY: Final = "steady"
STEADY_FPS: Final = 10
LONGEST_PAUSE_S: Final = 2.5
"""Of the steady camera, on a machine that is busy with other tests."""
LONGEST_LATENCY_S: Final = 1.5
PATIENCE: Final = {"connect_s": 3.0, "read_s": 2.0, "stall_s": 2.0}
NULL: Final = {"kind": "null", "objects": 2}


@dataclass(slots=True)
class Row:
    """What a fault did."""

    fault: str
    detected_s: float | None
    recovered_s: float | None
    lost_elsewhere: int


@dataclass(slots=True)
class Site:
    """A run with cameras, and what is seen of it."""

    run: Running
    watcher: Watcher
    rows: list[Row] = field(default_factory=list)

    @contextmanager
    def others_unharmed(self) -> Iterator[float]:
        """See that the steady camera's frames went on through the block, in order, at once, with all gaps told."""
        begun_s = time.monotonic()
        yield begun_s
        ended_s = time.monotonic()
        frames = self.watcher.since(STEADY, begun_s)
        check_order(frames)
        assert longest_pause_s(frames, begun_s, ended_s) < LONGEST_PAUSE_S
        assert latency_s(frames) < LONGEST_LATENCY_S

    def rows_of(self, source: str) -> dict[str, Any]:
        """Return what `detstream sources list` says of a camera."""
        ended = detstream("sources", "list", "--json", "--run", str(self.run.pid))
        assert ended.code == 0, ended.err
        return next(row for row in json.loads(ended.out) if row["source"] == source)

    def note(self, fault: str, begun_s: float, detected_s: float | None, recovered_s: float | None) -> None:
        """Keep a row of the table of faults."""
        frames = self.watcher.since(STEADY, begun_s)
        lost = sum(seen.found.dropped_before for seen in frames[1:])
        detected, recovered = (None if at_s is None else at_s - begun_s for at_s in (detected_s, recovered_s))
        self.rows.append(Row(fault, detected, recovered, lost))

    def show(self) -> None:
        """Write the table: `pytest -s` shows it."""
        lines = [f"{'fault':<28}{'detected s':>12}{'recovered s':>13}{'lost elsewhere':>16}"]
        for row in self.rows:
            detected, recovered = ("-" if span is None else f"{span:.1f}" for span in (row.detected_s, row.recovered_s))
            lines.append(f"{row.fault:<28}{detected:>12}{recovered:>13}{row.lost_elsewhere:>16}")
        sys.stdout.write("\n" + "\n".join(lines) + "\n")


def camera(url: str, **settings: Any) -> dict[str, Any]:
    """Return a camera's settings, with little patience."""
    return {"kind": "camera", "url": url, **PATIENCE, **settings}


@contextmanager
def opened(
    cameras: Mapping[str, Mapping[str, Any]], folder: Path, env: Mapping[str, str] | None = None, **settings: Any
) -> Iterator[Site]:
    """Run cameras beside a steady one until the block ends; they all end well then."""
    steady = {STEADY: camera(f"sim://street?fps={STEADY_FPS}&size=320x180&objects=2")}
    sources = [{"name": name, "source": dict(source)} for name, source in {**steady, **cameras}.items()]
    values = {"decoder": {"sources": sources}, "detector": {"engine": NULL}, "flow": {"retain": 5000}} | settings
    config = folder / "cameras.yaml"
    config.write_text(yaml.safe_dump(values))
    with ExitStack() as stack:
        arguments = ("run", "--config", config, "--output", folder / "out", "--no-video")
        run = stack.enter_context(Running(*arguments, env=env))
        run.until(lambda: _url(run.pid), "the broker")
        site = Site(run, stack.enter_context(Watcher(_url(run.pid))))
        until(lambda: bool(site.watcher.frames[STEADY]), lambda: "no frame of the steady camera")
        yield site
        site.show()


def _url(pid: int) -> str:
    return next((note.url for note in notes() if note.pid == pid), "")
