"""A ledger: numbers of epochs are never used twice, positions are those of the slowest."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import keys
from pipeline.ledger import Ledger, Standing
from tests.fakes import MemoryBroker


@pytest.fixture
def memory() -> MemoryBroker:
    return MemoryBroker()


def test_an_empty_ledger_stands_before_the_first_frame(memory: MemoryBroker) -> None:
    standing = Ledger(memory, "gate").read()
    assert (standing.epoch, standing.rewinds, standing.decoded, standing.published) == (0, 0, 0, -1)
    assert (standing.frames, standing.error) == (None, None)
    assert standing.done(("annotator",)) == standing.durable(("annotator",)) == -1
    assert not standing.finished(("annotator",)) and not standing.finished(())


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=20))
def test_numbers_of_epochs_grow_over_all_sources_and_are_never_used_twice(sources: list[str]) -> None:
    broker = MemoryBroker()
    numbers = []
    for source in sources:
        numbers.append(Ledger(broker, source).begin_epoch())
        assert Ledger(broker, source).read().epoch == numbers[-1]
        broker.delete(Ledger(broker, source).all_keys())  # as the supervisor does before a run
    assert all(after > before for before, after in pairwise(numbers))


def test_numbers_of_epochs_grow_over_a_broker_that_has_lost_its_memory() -> None:
    number = Ledger(MemoryBroker(), "gate").begin_epoch()
    deadline_s = time.monotonic() + 1
    while Ledger(MemoryBroker(), "gate").begin_epoch() <= number:  # a millisecond later at the latest
        assert time.monotonic() < deadline_s


def test_an_epoch_announces_its_source_and_keeps_the_time_of_the_first(memory: MemoryBroker) -> None:
    ledger = Ledger(memory, "gate")
    ledger.begin_epoch()
    started_ns = ledger.read().number("started_ns", 0)
    ledger.begin_epoch()
    assert memory.members(keys.SOURCES) == {"gate"}
    assert ledger.read().number("started_ns", 0) == started_ns > 0


@given(st.dictionaries(st.sampled_from("abc"), st.integers(-1, 99)))
def test_the_slowest_required_consumer_counts_and_one_that_never_reported_has_nothing(done: dict[str, int]) -> None:
    fields = {f"done.{name}": b"%d" % seq for name, seq in done.items()} | {"published": b"100"}
    standing = Standing(fields | {f"durable.{name}": b"%d" % (seq - 1) for name, seq in done.items()})
    assert standing.done("abc") == min(done.get(name, -1) for name in "abc")
    assert standing.durable("abc") == min(done[name] - 1 if name in done else -1 for name in "abc")
    assert standing.done(()) == standing.durable(()) == 100


def test_a_source_is_finished_when_all_required_consumers_are() -> None:
    one = Standing({"finished.a": b"1"})
    assert one.finished(("a",)) and not one.finished(("a", "b"))


def test_without_required_consumers_a_source_is_finished_with_its_publication() -> None:
    fields = {"frames": b"3", "published": b"2"}
    assert not Standing(fields).finished(())
    assert Standing(fields | {"ended": b"1"}).finished(())
    assert not Standing(fields | {"ended": b"1", "published": b"1"}).finished(())


def test_a_rewind_is_counted(memory: MemoryBroker) -> None:
    ledger = Ledger(memory, "gate")
    ledger.request_rewind()
    ledger.request_rewind()
    assert ledger.read().rewinds == 2


def test_an_error_that_was_taken_back_is_none(memory: MemoryBroker) -> None:
    ledger = Ledger(memory, "gate")
    ledger.write({"error": "gone"})
    assert ledger.read().error == "gone"
    ledger.write({"error": ""})
    assert ledger.read().error is None


def test_all_keys_of_a_source_are_its_own(memory: MemoryBroker) -> None:
    assert not set(Ledger(memory, "a").all_keys()) & set(Ledger(memory, "a:b").all_keys())


def test_numbers_of_epochs_are_greater_than_what_the_caller_knows_of(memory: MemoryBroker) -> None:
    ahead = time.time_ns() // 1_000_000 + 3_600_000  # of a clock that was set back since
    assert Ledger(memory, "gate").begin_epoch(live=True, after=ahead) == ahead + 1
