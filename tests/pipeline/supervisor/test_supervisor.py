"""The supervisor ends when the work is done, and never leaves a process behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest

from pipeline import keys
from pipeline.errors import ConfigError, StageError
from pipeline.ledger import Ledger
from pipeline.process import HOPELESS
from pipeline.supervisor import supervisor as module
from pipeline.supervisor.child import LogLine
from pipeline.supervisor.supervisor import Plan, Progress, Supervisor
from tests.clock import Clock
from tests.fakes import MemoryBroker
from tests.pipeline.supervisor.small_stages import ENDS, STAYS, complains, lives, write_stage

STAGES = ("decoder", "detector", "tracker", "annotator")


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    """Four stages that stay, and two detectors; afterwards, all of them are gone."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for stage in STAGES:
        write_stage(tmp_path, stage, STAYS)
    yield Plan(tmp_path / "config.yaml", ("gate",), 2)
    for pid, _ in lives(tmp_path / "config.yaml"):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def supervised(plan: Plan, broker: MemoryBroker | None = None) -> tuple[Supervisor, list[dict[str, Any]]]:
    lines: list[dict[str, Any]] = []
    supervisor = Supervisor(broker or MemoryBroker(), plan, lambda line: lines.append(dict(line)))
    supervisor.prepare(Event())
    return supervisor, lines


def ignore(progress: Progress) -> None:
    pass


def test_every_stage_has_a_name_of_its_own(plan: Plan) -> None:
    supervisor, _ = supervised(plan)
    names = ["decoder-1", "detector-1", "detector-2", "tracker-1", "annotator-1"]
    assert [child.name for child in supervisor.children] == names


def test_a_run_ends_when_its_decoder_has_seen_everything_finished(plan: Plan) -> None:
    write_stage(plan.config.parent, "decoder", ENDS)
    broker = MemoryBroker()
    supervisor, _ = supervised(plan, broker)
    Ledger(broker, "gate").begin_epoch()
    seen: list[Progress] = []
    supervisor.run(Event(), seen.append)
    assert set(seen[-1].active) == {"gate"}


def test_a_run_that_is_told_to_stop_stops(plan: Plan) -> None:
    stop = Event()
    supervisor, _ = supervised(plan)
    timer = Timer(0.2, stop.set)
    timer.start()
    supervisor.run(stop, ignore)
    timer.join()
    assert supervisor.children
    assert not [child.name for child in supervisor.children if child.pid is not None]


def test_a_stage_that_gives_up_ends_the_run_with_its_complaint(plan: Plan) -> None:
    complaint = '{"level": "error", "event": "failed", "error": "disk full"}'
    write_stage(plan.config.parent, "annotator", complains(HOPELESS, complaint))
    supervisor, lines = supervised(plan)
    with pytest.raises(StageError, match=r"^disk full$"):
        supervisor.run(Event(), ignore)
    assert {"name": "annotator-1", "level": "error", "event": "failed", "error": "disk full"} in lines


def test_a_stage_that_ends_before_the_decoder_is_an_error(plan: Plan) -> None:
    write_stage(plan.config.parent, "tracker", ENDS)
    supervisor, _ = supervised(plan)
    with pytest.raises(StageError, match="tracker-1 ended before its work was done"):
        supervisor.run(Event(), ignore)


def test_a_killed_detector_does_not_end_the_run(plan: Plan) -> None:
    stop = Event()
    supervisor, lines = supervised(plan)
    killed: list[int] = []

    def kill_once(progress: Progress) -> None:
        running = [pid for pid, name in lives(plan.config) if name == "detector-2"]
        if running and not killed:
            os.kill(running[0], signal.SIGKILL)
            killed.append(running[0])
        if len(running) == 2:
            stop.set()

    supervisor.run(stop, kill_once)
    assert [line["name"] for line in lines if line["event"] == "died, starting again"] == ["detector-2"]


def test_another_run_in_the_same_database_is_refused_until_the_first_is_over(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LEASE_S", 0.1)
    broker = MemoryBroker(clock=lambda: 0.0)  # the first one keeps its lease
    first, _ = supervised(plan, broker)
    second = Supervisor(broker, plan, lambda line: None)
    with pytest.raises(ConfigError, match=r"another `detstream run` uses this Redis database"):
        second.prepare(Event())
    stop = Event()
    stop.set()
    first.run(stop, ignore)
    second.prepare(Event())


def test_the_lease_of_a_run_that_was_killed_is_waited_for(plan: Plan) -> None:
    broker = MemoryBroker(clock=(clock := Clock(0.0)))
    supervised(plan, broker)
    lines: list[dict[str, Any]] = []

    def waiting(line: LogLine) -> None:
        lines.append(dict(line))
        clock.now_s = 60.0

    Supervisor(broker, plan, waiting).prepare(Event())
    assert ["waiting" in line["event"] for line in lines] == [True]


def test_a_machine_that_stalls_for_as_long_as_the_lease_takes_it_all_the_same(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LEASE_S", 0.0)
    broker = MemoryBroker(clock=(clock := Clock(0.0)))
    broker.lease(keys.role(keys.RUN), "killed", 10.0)

    class Stalling(Event):
        def wait(self, timeout: float | None = None) -> bool:
            clock.now_s = 60.0
            return super().wait(0.2)

    Supervisor(broker, plan, lambda line: None).prepare(Stalling())
    assert broker.leases[keys.role(keys.RUN)][0].startswith("run-")


def test_whoever_waits_for_another_run_can_be_told_to_stop(plan: Plan) -> None:
    broker, stop = MemoryBroker(), Event()
    supervised(plan, broker)
    stop.set()
    with pytest.raises(ConfigError, match=r"another `detstream run`"):
        Supervisor(broker, plan, lambda line: None).prepare(stop)


def test_what_earlier_runs_have_left_is_cleared_but_for_the_numbers_of_epochs(plan: Plan) -> None:
    broker = MemoryBroker()
    for source in ("gate", "other"):
        number = Ledger(broker, source).begin_epoch()
        broker.lease(keys.lease(source), "old", 60)
        with broker.transaction() as transaction:
            for stream in (keys.FRAMES, keys.RAW, keys.detections(source)):
                transaction.append(stream, b"x")
            transaction.set_fields(keys.checkpoint(source), {"following": 7})
            transaction.append("somebody-elses", b"x")
    supervised(plan, broker)
    left = {name for name, stream in broker.streams.items() if stream.entries}
    assert left == {"somebody-elses"}
    assert [name for name, fields in broker.hashes.items() if fields] == [keys.EPOCHS]
    assert set(broker.leases) == {keys.role(keys.RUN)}
    assert Ledger(broker, "gate").begin_epoch() == number + 1
