"""The annotator: every source that was announced is written, none waits for another."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from pipeline import keys
from pipeline.broker import Broker
from pipeline.errors import BrokerForgotError
from stages.annotator import stage, writer
from stages.annotator.stage import Annotator
from stages.annotator.writer import Writer
from tests.fakes import MemoryBroker
from tests.fakes_store import MemoryStore
from tests.pipeline.broker_steps import DEADLINE_S, wait_for
from tests.stages.annotator.desk import Desk
from tests.stages.annotator.disk_sink import Disk, DiskSink


class Hall:
    """Several sources on one broker."""

    def __init__(self) -> None:
        self.broker, self.store = MemoryBroker(), MemoryStore()
        self.disks: dict[str, Disk] = {}
        self.sinks: list[DiskSink] = []

    def desk(self, source: str) -> Desk:
        desk = Desk(self.broker, self.store, source)
        desk.begin()
        self.disks[source] = Disk()
        return desk

    def annotator(self, name: str = "one", broker: Broker | None = None) -> Annotator:
        return Annotator(broker or self.broker, name, self._open)

    def _open(self, source: str) -> Writer:
        self.sinks.append(DiskSink(self.disks[source]))
        return Writer(self.broker, self.store, source, {"disk": self.sinks[-1]}, 0)


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Hall:
    for name in ("_BLOCK_S", "_WAITING_S", "_DISCOVER_S"):
        monkeypatch.setattr(stage, name, 0.0)
    monkeypatch.setattr(writer, "_FLUSH_S", -1.0)
    return Hall()


def steps(annotator: Annotator, until: Callable[[], bool]) -> None:
    for _ in range(200):
        if until():
            return
        annotator.step()
    raise AssertionError("stepped in vain")


def test_each_announced_source_is_written(hall: Hall) -> None:
    annotator = hall.annotator()
    for source in "ab":
        desk = hall.desk(source)
        desk.store_pixels(*range(10))
        desk.publish(*range(10))
        desk.publish_end(10)
    steps(annotator, lambda: all(disk.end for disk in hall.disks.values()))
    assert [disk.seqs for disk in hall.disks.values()] == [[*range(10)]] * 2


def test_a_source_whose_pixels_are_on_their_way_holds_up_no_other(hall: Hall) -> None:
    annotator, slow, fast = hall.annotator(), hall.desk("a"), hall.desk("b")
    slow.publish(*range(5))
    for first in range(0, 60, 10):
        fast.store_pixels(*range(first, first + 10))
        fast.publish(*range(first, first + 10))
        steps(annotator, lambda: len(hall.disks["b"].seqs) == first + 10)  # noqa: B023 - called at once
    assert hall.disks["a"].seqs == []
    slow.store_pixels(*range(5))
    steps(annotator, lambda: hall.disks["a"].seqs == [*range(5)])


def test_a_source_that_is_announced_later_is_found(hall: Hall) -> None:
    annotator = hall.annotator()
    annotator.step()
    desk = hall.desk("late")
    desk.store_pixels(0)
    desk.publish(0)
    steps(annotator, lambda: hall.disks["late"].seqs == [0])


def test_a_source_that_is_finished_is_not_opened_again(hall: Hall) -> None:
    desk = hall.desk("a")
    desk.ledger.write({f"finished.{keys.ANNOTATOR}": 1})
    hall.annotator().step()
    assert hall.sinks == []


def test_streams_of_the_last_sources_stay_and_older_ones_are_removed(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "STREAMS_KEPT", 2)
    annotator = hall.annotator()
    for source in "abcde":
        desk = hall.desk(source)
        desk.publish_end(0)
        steps(annotator, lambda: hall.disks[source].end is not None)  # noqa: B023 - called at once
    kept = [source for source in "abcde" if hall.broker.stream(keys.detections(source)).entries]
    assert kept == ["d", "e"]


def test_one_annotator_writes_and_the_next_goes_on_when_it_gives_up(hall: Hall) -> None:
    desk, stops = hall.desk("a"), [threading.Event(), threading.Event()]
    desk.store_pixels(*range(10))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hall.annotator("one").run, stops[0])
        wait_for(lambda: hall.sinks)
        second = pool.submit(hall.annotator("two").run, stops[1])
        desk.publish(*range(6))
        wait_for(lambda: len(hall.disks["a"].seqs) == 6)
        assert len(hall.sinks) == 1
        stops[0].set()
        first.result(DEADLINE_S)
        assert hall.sinks[0].closed == 1
        desk.publish(*range(6, 10))
        desk.publish_end(10)
        wait_for(lambda: hall.disks["a"].end)
        stops[1].set()
        second.result(DEADLINE_S)
    assert hall.disks["a"].seqs == [*range(10)]
    assert hall.broker.leases == {}


class Forgetful:
    """A broker that was started anew, and says so at one call."""

    def __init__(self, inner: MemoryBroker) -> None:
        self._inner, self.told = inner, True

    def __getattr__(self, name: str) -> Any:
        if not self.told and name == "read":
            self.told = True
            raise BrokerForgotError("the broker was started anew")
        return getattr(self._inner, name)


def test_outputs_are_opened_anew_when_the_broker_was_started_anew(hall: Hall) -> None:
    broker, desk, stop = Forgetful(hall.broker), hall.desk("a"), threading.Event()
    desk.store_pixels(*range(10))
    desk.publish(*range(4))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(hall.annotator("one", cast(Broker, broker)).run, stop)
        wait_for(lambda: hall.disks["a"].seqs == [*range(4)])
        broker.told = False
        wait_for(lambda: len(hall.sinks) == 2)
        desk.publish(*range(4, 10))
        wait_for(lambda: hall.disks["a"].seqs == [*range(10)])
        stop.set()
        running.result(DEADLINE_S)
    assert [sink.closed for sink in hall.sinks] == [1, 1]
