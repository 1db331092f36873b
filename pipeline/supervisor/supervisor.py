"""Runs the four stages on this machine until every source is finished."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

from pipeline import keys
from pipeline.broker import Broker
from pipeline.errors import ConfigError, StageError
from pipeline.finished import Finished, finished
from pipeline.ledger import Ledger, Standing
from pipeline.registry import Registry
from pipeline.supervisor.child import Child, LogLine

_TICK_S: Final = 0.05
_LEASE_S: Final = 10.0
_PATIENCE_S: Final = 5.0
_CAMERAS_PATIENCE_S: Final = 20.0
_SINKS_PATIENCE_S: Final = 60.0
"""A sink may have to write its output's final form."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run."""

    config: Path
    """The settings file that all stages read."""
    sources: Sequence[str]
    detectors: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    active: Mapping[str, Standing]
    """Where each source stands that was begun and not finished when it was last looked at."""
    finished: Finished

    @property
    def frames(self) -> int:
        """Published so far."""
        return self.finished.frames + sum(standing.published + 1 for standing in self.active.values())

    @property
    def made(self) -> int:
        """Of these, by this run."""
        return self.finished.made + sum(standing.made for standing in self.active.values())


class Supervisor:
    """Starts the stages, restarts one that dies, and stops them in the order in which frames pass them."""

    def __init__(self, broker: Broker, plan: Plan, on_log: Callable[[LogLine], None]) -> None:
        self._broker, self._plan = broker, plan
        self._on_log = on_log
        self._name = f"run-{time.time_ns()}"
        self._renewed_s = 0.0
        stages = ["decoder", *["detector"] * plan.detectors, "tracker", "annotator"]
        numbers = [stages[:place].count(stage) + 1 for place, stage in enumerate(stages)]
        self.children = [
            Child(stage, f"{stage}-{number}", plan.config, on_log)
            for stage, number in zip(stages, numbers, strict=True)
        ]

    def prepare(self, stop: Event) -> None:
        """Take the database for this run, and clear what earlier runs of these sources left in it.

        Raises:
            ConfigError: another run uses it, not just one that was killed.
        """
        if not self._takes(stop):
            raise ConfigError(
                "another `detstream run` uses this Redis database; give this one its own (redis://host/1)"
            )
        known = self._broker.members(keys.SOURCES) | self._broker.members(keys.SETTLED)
        stale = known | Registry(self._broker).read().keys() | set(self._plan.sources)
        leases = [*map(keys.lease, stale), *map(keys.role, (keys.TRACKER, keys.ANNOTATOR))]
        ledgers = [key for name in stale for key in Ledger(self._broker, name).all_keys()]
        queues = [keys.LIVE, keys.WAITING, keys.FRAMES, keys.RAW_LIVE, keys.RAW, keys.STATES]
        facts = [keys.SOURCES, keys.SETTLED, keys.FINISHED, keys.REGISTRY, keys.ENGINES]
        self._broker.delete([*queues, *facts, *leases, *ledgers])

    def _takes(self, stop: Event) -> bool:
        """Return whether the database is ours, after waiting for as long as a run holds it that was killed."""
        deadline_s, told, late = time.monotonic() + _LEASE_S + _TICK_S, False, False
        while not self._broker.lease(keys.role(keys.RUN), self._name, _LEASE_S):
            if late or stop.wait(_TICK_S):
                return False
            late = time.monotonic() > deadline_s  # asked once more: a machine that stalls may have slept through it
            if not told:
                event = "another run holds the Redis database: waiting a moment, it may have been killed"
                self._on_log({"level": "info", "event": event, "most_s": _LEASE_S})
            told = True
        return True

    def run(self, stop: Event, on_progress: Callable[[Progress], None]) -> None:
        """Return when all sources are finished, or soon after `stop` was set; cameras are then brought to an end.

        Raises:
            StageError: a stage can't go on; the others were stopped, and what is done is kept.
        """
        try:
            for child in self.children:
                child.start()
            self._until(stop.is_set, on_progress)
            if stop.is_set():
                self._end_cameras(on_progress)
        finally:
            self._stop()
            on_progress(self.progress())

    def _until(self, over: Callable[[], bool], on_progress: Callable[[Progress], None]) -> None:
        """Watch the stages until told that it is over, or until the decoder has done its work."""
        while not over():
            progress = self.progress()
            on_progress(progress)
            if self._watch(progress):
                return
            time.sleep(_TICK_S)

    def _end_cameras(self, on_progress: Callable[[Progress], None]) -> None:
        """Let every camera's outputs get their final form; a recording's go on where they are."""
        registry = Registry(self._broker)
        for name, wish in registry.read().items():
            if not wish.removed:
                registry.change(name, removed=True)
        deadline_s = time.monotonic() + _CAMERAS_PATIENCE_S
        live = [name for name, standing in self.progress().active.items() if standing.live]

        def over() -> bool:
            known = self.progress().active
            return all(known[name].finished((keys.ANNOTATOR,)) for name in live) or time.monotonic() > deadline_s

        if live:
            self._until(over, on_progress)

    def progress(self) -> Progress:
        """Return how far the run is; what is finished is only counted."""
        active = {source: Ledger(self._broker, source).read() for source in self._broker.members(keys.SOURCES)}
        return Progress(active, finished(self._broker))

    def _watch(self, progress: Progress) -> bool:
        if time.monotonic() - self._renewed_s > _LEASE_S / 3:
            self._broker.lease(keys.role(keys.RUN), self._name, _LEASE_S)
            self._renewed_s = time.monotonic()
        # A camera that is away is no reason to give up, however long it is.
        live = any(standing.live for standing in progress.active.values())
        over = [child for child in self.children if child.watch(progress.frames, for_ever=live)]
        if any(child.stage != "decoder" for child in over):
            raise StageError(f"{over[-1].name} ended before its work was done", 1)
        return bool(over)

    def _stop(self) -> None:
        """End the stages along the way of the frames, so that each one still hands on what it has."""
        for child in self.children:
            child.stop(_SINKS_PATIENCE_S if child.stage == "annotator" else _PATIENCE_S)
        self._broker.release(keys.role(keys.RUN), self._name)
