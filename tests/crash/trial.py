"""One run that is disturbed as planned, and started again until it is done."""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any, Final

import numpy as np

from pipeline.kept_broker import KeptBroker
from tests.crash.attempt import Happened, Site, attempted
from tests.crash.disk import lose_power
from tests.crash.judge import Reference, Verdict, judged
from tests.crash.plan import Attempt, Plan
from tests.e2e.command import detstream

_UNDISTURBED: Final = Attempt((), None)
_MOST_ATTEMPTS: Final = 12
_MOST_TEXT: Final = 3000
"""Of a log, characters."""
_BROKER_BYTES: Final = 128 << 20
_RUN_LEASE_S: Final = 10.0
_SETTINGS: Final = """
detector: {model: demo, imgsz: [160, 256], engine: {kind: probe, cost_per_frame_ms: 2.5}}
annotator: {sinks: [%s]}
"""
_SINKS: Final = {"jsonl": "{kind: jsonl}", "video": "{kind: video, preset: ultrafast}"}


@dataclass(slots=True)
class Outcome:
    """What came of a trial."""

    plan: Plan
    verdict: Verdict = field(default_factory=Verdict)
    attempts: list[Happened] = field(default_factory=list)
    lost_to_power: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Of all attempts together."""
        return sum(attempt.seconds for attempt in self.attempts)

    @property
    def victims(self) -> list[str]:
        """Who died, one text a death."""
        return [death["victim"].partition(" ")[0] for attempt in self.attempts for death in attempt.deaths]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values: enough to see what happened, and to do it again."""
        attempts = [
            {"deaths": attempt.deaths, "seconds": round(attempt.seconds, 2), "ended": _tail(attempt)}
            for attempt in self.attempts
        ]
        return {
            "plan": self.plan.as_dict(),
            "verdict": asdict(self.verdict),
            "attempts": attempts,
            "power": self.lost_to_power,
        }


@contextmanager
def rings() -> Iterator[Path]:
    """Yield a folder in shared memory."""
    with tempfile.TemporaryDirectory(prefix="detstream-crash-", dir="/dev/shm") as folder:
        yield Path(folder)


def settings(folder: Path, outputs: str) -> Path:
    """Write the settings of a run, and return where."""
    path = folder / "settings.yaml"
    path.write_text(_SETTINGS % ", ".join(_SINKS[kind] for kind in outputs.split("+")))
    return path


def tried(plan: Plan, made: dict[str, Path], reference: Reference, folder: Path) -> Outcome:
    """Carry out a plan in a folder, and return what came of it."""
    outcome = Outcome(plan)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="crash-") as short, rings() as memory, _broker(plan, Path(short)) as broker:
        site = Site(folder, memory, Path(short) / "tmp")
        try:
            _until_done(plan, made, site, broker, outcome)
        except TimeoutExpired as error:
            outcome.verdict.wrong.append(f"hangs: {(error.stderr or b'').decode()[-3000:]}")
            return outcome
        outcome.verdict.wrong += [f"left over in memory: {path.name}" for path in memory.iterdir()]
        outcome.verdict.wrong += [f"left over in TMPDIR: {path.name}" for path in site.temporary.glob("detstream*")]
    _judge(outcome, site, reference)
    return outcome


def _judge(outcome: Outcome, site: Site, reference: Reference) -> None:
    last = outcome.attempts[-1]
    before = outcome.verdict.wrong
    if (site.output / "manifest.json").exists():
        outcome.verdict = judged(site.output, outcome.plan.outputs, reference)
        outcome.verdict.wrong[:0] = before
    else:
        outcome.verdict.wrong.append(f"no manifest; the last attempt ended with {_tail(last)}")
    expected = 1 if any(account["status"] == "failed" for account in reference.accounts.values()) else 0
    if last.ended is None or (last.ended.code != expected and last.ended.code >= 0):
        outcome.verdict.wrong.append(f"ended with {_tail(last)}")
    for attempt in outcome.attempts:
        text = attempt.ended.err if attempt.ended else ""
        for word in ("Traceback", "dead letter"):
            if word in text:
                outcome.verdict.wrong.append(f"log: {text[text.index(word) :][:_MOST_TEXT]}")
        if attempt.leftover:
            outcome.verdict.wrong.append(f"processes left: {attempt.leftover}")


def _until_done(plan: Plan, made: dict[str, Path], site: Site, broker: KeptBroker | None, outcome: Outcome) -> None:
    """Type the same command until nothing is left to be done."""
    random = np.random.default_rng((plan.seed, 1))
    sources = [made[name] for name in plan.recordings]
    given = ("--config", settings(site.notes.parent, plan.outputs), "--output", site.output)
    command: tuple[str | Path, ...] = ("run", *sources, *given, "--detectors", str(plan.detectors), "--resume")
    planned = [*plan.attempts, *[_UNDISTURBED] * (_MOST_ATTEMPTS - len(plan.attempts))]
    for attempt in planned:
        happened = attempted(command, attempt, site, broker.url if broker else None, lambda: _kill(broker))
        outcome.attempts.append(happened)
        if happened.power_lost:
            _kill(broker)
            outcome.lost_to_power += lose_power(site.notes, site.output, random)
        if happened.ended and _is_done(happened.ended.code, site.output):
            return


def _is_done(code: int, output: Path) -> bool:
    """Return whether a run has come to its end, with or without sources that failed; a signal may come behind that."""
    return code != 2 and (output / "manifest.json").exists() and not (output / ".detstream").exists()


@contextmanager
def _broker(plan: Plan, folder: Path) -> Iterator[KeptBroker | None]:
    """Yield a broker that stands outside of the run, if it is to have one."""
    if plan.own_broker:
        yield None
        return
    with KeptBroker(folder, _BROKER_BYTES, lambda: None) as broker:
        yield broker


def _kill(broker: KeptBroker | None) -> None:
    if broker is not None and broker.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(broker.pid, signal.SIGKILL)


def undisturbed(names: tuple[str, ...], made: dict[str, Path], folder: Path) -> Path:
    """Run recordings with nothing happening to them, and return the folder of the outputs."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    site = folder / "out"
    given = ("--config", settings(folder, "jsonl+video"), "--output", site)
    environment: dict[str, str | Path] = {
        "PYTHONPATH": Path(__file__).parent / "inject",
        "CRASH_ROOT": Path(__file__).parents[2],
        "CRASH_DISK": folder / "notes",
        "CRASH_MARK": folder / "mark",
        "DETSTREAM_MEMORY_MB": "200",
    }
    (folder / "notes").mkdir()
    ended = detstream("run", *(made[name] for name in names), *given, env=environment)
    assert ended.code in (0, 1), ended.err
    return site


def _tail(attempt: Happened) -> str:
    if attempt.ended is None:
        return "nothing"
    return f"{attempt.ended.code}: {json.dumps(attempt.ended.err[-3000:])}"
