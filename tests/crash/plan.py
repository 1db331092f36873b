"""What is to happen to a run: chosen by a seed, so that it can be chosen again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from tests.crash.disk import Point

OUTPUTS: Final = ("jsonl+video", "jsonl", "video")
PROCESSES: Final = ("decoder", "detector", "tracker", "annotator", "broker")
ENDINGS: Final = ("run", "everything", "power", "SIGINT", "SIGTERM")
"""After which the same command has to be typed again, with --resume."""
MOST_DETECTOR_DEATHS: Final = 2
"""Of one attempt: a frame that three detectors die with is given up, by design."""
_POINTS: Final = {
    "annotator": {"fsync": 40, "replace": 8, "unlink": 8},
    "run": {"fsync": 3, "replace": 2, "unlink": 6, "rmdir": 1},
}
"""At which calls a process may die, and at how many of them at the most."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A process's death."""

    victim: str
    at: float
    """When: seconds from the start, or, if `lines`, lines written."""
    lines: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of the command, and what happens to it."""

    kills: tuple[Kill, ...]
    """In time."""
    point: Point | None
    """A moment, by what it does on disk, at which a process dies."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run, with all that happens to it; after the last attempt nothing more happens."""

    seed: int
    recordings: tuple[str, ...]
    outputs: str
    detectors: int
    own_broker: bool
    """Whether it has a broker of its own; else there is one outside, which is started again with an empty memory."""
    attempts: tuple[Attempt, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def planned(seed: int, sets: Sequence[tuple[str, ...]], seconds: dict[tuple[str, ...], float]) -> Plan:
    """Return what happens in the run of a seed; `seconds`: how long each set of recordings takes undisturbed."""
    random = np.random.default_rng(seed)
    recordings = sets[int(random.integers(len(sets)))]
    length_s = seconds[recordings]
    count = int(random.choice([1, 2, 3, 4], p=[0.3, 0.35, 0.25, 0.1]))
    outputs = str(random.choice(OUTPUTS, p=[0.6, 0.2, 0.2]))
    attempts = tuple(_attempt(random, length_s) for _ in range(count))
    return Plan(seed, recordings, outputs, int(random.integers(1, 3)), bool(random.random() < 0.75), attempts)


def _attempt(random: np.random.Generator, length_s: float) -> Attempt:
    """Return some deaths of processes that are started again, and mostly one of the run itself."""
    kills = [_kill(random, length_s, PROCESSES) for _ in range(random.choice([0, 1, 2, 3], p=[0.3, 0.3, 0.25, 0.15]))]
    point = _point(random) if random.random() < 0.4 else None
    if random.random() < 0.75 or not (kills or point):
        kills.append(_kill(random, length_s, ENDINGS))
    deaths = 0
    spared = []
    for kill in sorted(kills, key=lambda kill: kill.at):
        deaths += kill.victim == "detector"
        if kill.victim != "detector" or deaths <= MOST_DETECTOR_DEATHS:
            spared.append(kill)
    return Attempt(tuple(spared), point)


def _kill(random: np.random.Generator, length_s: float, victims: tuple[str, ...]) -> Kill:
    """Return a death at any time of the run; one in five comes while everything starts."""
    victim = str(random.choice(victims))
    if random.random() < 0.5:
        return Kill(victim, float(int(random.integers(0, 500))), lines=True)
    longest_s = length_s if random.random() < 0.8 else 2.0
    return Kill(victim, round(float(random.uniform(0.3, longest_s)), 3), lines=False)


def _point(random: np.random.Generator) -> Point:
    role = "annotator" if random.random() < 0.7 else "run"
    call = str(random.choice(list(_POINTS[role])))
    count = int(random.integers(1, _POINTS[role][call] + 1))
    return Point(role, call, count, bool(random.random() < 0.5), bool(role == "run" or random.random() < 0.5))
