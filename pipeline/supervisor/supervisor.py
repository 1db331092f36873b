"""Runs the four stages on this machine until every source is finished."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

from pipeline import keys
from pipeline.broker import Broker
from pipeline.errors import ConfigError, StageError
from pipeline.ledger import Ledger, Standing
from pipeline.supervisor.child import Child, LogLine

_TICK_S: Final = 0.05
_LEASE_S: Final = 10.0
_PATIENCE_S: Final = 5.0
_SINKS_PATIENCE_S: Final = 60.0
"""A sink may have to write its output's final form."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run."""

    config: Path
    """The settings file that all stages read."""
    sources: Sequence[str]
    detectors: int


class Supervisor:
    """Starts the stages, restarts one that dies, and stops them in the order in which frames pass them."""

    def __init__(self, broker: Broker, plan: Plan, on_log: Callable[[LogLine], None]) -> None:
        self._broker, self._plan = broker, plan
        self._name = f"run-{time.time_ns()}"
        self._renewed_s = 0.0
        self._known: dict[str, Standing] = {}
        stages = ["decoder", *["detector"] * plan.detectors, "tracker", "annotator"]
        numbers = [stages[:place].count(stage) + 1 for place, stage in enumerate(stages)]
        self.children = [
            Child(stage, f"{stage}-{number}", plan.config, on_log)
            for stage, number in zip(stages, numbers, strict=True)
        ]

    def prepare(self) -> None:
        """Take the database for this run, and clear what earlier runs of these sources left in it.

        Raises:
            ConfigError: another run uses it.
        """
        if not self._broker.lease(keys.lease(keys.RUN), self._name, _LEASE_S):
            raise ConfigError(
                "another `detstream run` uses this Redis database; give this one its own (redis://host/1)"
            )
        stale = self._broker.members(keys.SOURCES) | set(self._plan.sources)
        leases = [keys.lease(name) for name in (*stale, keys.TRACKER, keys.ANNOTATOR)]
        ledgers = [key for name in stale for key in Ledger(self._broker, name).all_keys()]
        self._broker.delete([keys.FRAMES, keys.RAW, keys.SOURCES, keys.ENGINES, *leases, *ledgers])

    def run(self, stop: Event, on_progress: Callable[[dict[str, Standing]], None]) -> None:
        """Return when all sources are finished, or soon after `stop` was set.

        Raises:
            StageError: a stage can't go on; the others were stopped, and what is done is kept.
        """
        try:
            for child in self.children:
                child.start()
            while not stop.is_set():
                standings = self.standings()
                on_progress(standings)
                if self._watch(standings):
                    break
                stop.wait(_TICK_S)
        finally:
            self._stop()
            on_progress(self.standings())

    def standings(self) -> dict[str, Standing]:
        """Return where each source stands that has been begun; those that are finished are not asked for again."""
        finished = {source for source, standing in self._known.items() if standing.finished((keys.ANNOTATOR,))}
        for source in self._broker.members(keys.SOURCES) - finished:
            self._known[source] = Ledger(self._broker, source).read()
        return self._known

    def _watch(self, standings: dict[str, Standing]) -> bool:
        if time.monotonic() - self._renewed_s > _LEASE_S / 3:
            self._broker.lease(keys.lease(keys.RUN), self._name, _LEASE_S)
            self._renewed_s = time.monotonic()
        progress = sum(standing.published + 1 for standing in standings.values())
        over = [child for child in self.children if child.watch(progress)]
        if any(child.stage != "decoder" for child in over):
            raise StageError(f"{over[-1].name} ended before its work was done", 1)
        return bool(over)

    def _stop(self) -> None:
        """End the stages along the way of the frames, so that each one still hands on what it has."""
        for child in self.children:
            child.stop(_SINKS_PATIENCE_S if child.stage == "annotator" else _PATIENCE_S)
        self._broker.release(keys.lease(keys.RUN), self._name)
