"""One start of `detstream run`, with the deaths that are planned for it."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.crash.plan import ENDINGS, Attempt, Kill
from tests.e2e.command import Ended, Running, children, exists

ROOT: Final = Path(__file__).parents[2]
_POLL_S: Final = 0.004
_GONE_S: Final = 10.0


@dataclass(slots=True)
class Happened:
    """What became of one attempt."""

    deaths: list[dict[str, Any]] = field(default_factory=list)
    ended: Ended | None = None
    seconds: float = 0.0
    leftover: list[int] = field(default_factory=list)
    """Processes that were still there."""
    power_lost: bool = False


class Site:
    """Folders of one run, and what its processes find in their environment."""

    def __init__(self, folder: Path, rings: Path, temporary: Path) -> None:
        """`temporary`: with a short path, as a socket is in there."""
        self.output, self.rings, self.temporary = folder / "out", rings, temporary
        self.notes, self._mark = folder / "notes", folder / "mark"
        for made in (self.notes, self.temporary, rings):
            made.mkdir(parents=True, exist_ok=True)

    def environment(self, attempt: Attempt, url: str | None) -> dict[str, str | Path]:
        """Return what is to be in an attempt's environment."""
        self._mark.unlink(missing_ok=True)
        found: dict[str, str | Path] = {
            "PYTHONPATH": ROOT / "tests/crash/inject",
            "CRASH_ROOT": ROOT,
            "CRASH_DISK": self.notes,
            "CRASH_MARK": self._mark,
            "CRASH_AT": str(attempt.point or ""),
            "TMPDIR": self.temporary,
            "DETSTREAM_RING_FOLDER": self.rings,
            "DETSTREAM_MEMORY_MB": "200",
        }
        return found | ({"DETSTREAM_REDIS__URL": url} if url else {})

    @property
    def died_at_the_point(self) -> bool:
        return self._mark.exists()

    def lines(self) -> int:
        """Return how many lines are written at this moment, of all sources."""
        paths = [*self.output.glob("*.jsonl"), *self.output.glob(".detstream/*.jsonl")]
        total = 0
        for path in paths:
            with suppress(OSError):
                total += path.read_bytes().count(b"\n")
        return total


def attempted(
    arguments: Sequence[str | Path], attempt: Attempt, site: Site, url: str | None, kill_broker: Callable[[], None]
) -> Happened:
    """Start the command, let die whom the plan says, and return when it has ended.

    Raises:
        TimeoutExpired: it does not get on.
    """
    happened, began_s = Happened(), time.monotonic()
    waiting = sorted(attempt.kills, key=lambda kill: (kill.lines, kill.at))
    seen: set[int] = set()
    with ThreadPoolExecutor(1) as reader, Running(*arguments, env=site.environment(attempt, url)) as run:
        ending = reader.submit(run.wait)
        while not ending.done():
            seen.update(children(run.pid))
            due = [kill for kill in waiting if _is_due(kill, time.monotonic() - began_s, site)]
            for kill in due:
                waiting.remove(kill)
                _carry_out(kill, run, kill_broker, happened, time.monotonic() - began_s, site)
            time.sleep(_POLL_S)
        happened.ended = ending.result()
    if site.died_at_the_point:
        happened.deaths.append({"victim": f"at {attempt.point}"})
    happened.seconds = time.monotonic() - began_s
    happened.leftover = _left_over(seen)
    return happened


def _is_due(kill: Kill, seconds: float, site: Site) -> bool:
    return site.lines() >= kill.at and site.output.exists() if kill.lines else seconds >= kill.at


def _carry_out(
    kill: Kill, run: Running, kill_broker: Callable[[], None], happened: Happened, seconds: float, site: Site
) -> None:
    lines = site.lines()
    if kill.victim in ENDINGS:
        _end(kill.victim, run)
        happened.power_lost = kill.victim == "power"
    elif not _let_die(kill.victim, run, kill_broker):
        return
    happened.deaths.append({"victim": kill.victim, "second": round(seconds, 3), "lines": lines})


def _end(victim: str, run: Running) -> None:
    if victim in ("SIGINT", "SIGTERM"):
        run.signal(signal.Signals[victim])
        return
    everybody = [] if victim == "run" else children(run.pid)
    for pid in (run.pid, *everybody):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _let_die(victim: str, run: Running, kill_broker: Callable[[], None]) -> bool:
    """Kill one process, False if it is not there at the moment."""
    if victim == "broker":
        servers = [pid for pid in children(run.pid) if _is_broker(pid)]
        if not servers:
            kill_broker()
            return True
    else:
        servers = [pid for stage, pid in run.stages().items() if stage == victim]
    for pid in servers:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(servers)


def _is_broker(pid: int) -> bool:
    with suppress(OSError):
        return b"valkey-server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _left_over(seen: set[int]) -> list[int]:
    """Return which processes of a run that has ended don't end either."""
    deadline_s = time.monotonic() + _GONE_S
    while (left := [pid for pid in seen if exists(pid)]) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    return left
