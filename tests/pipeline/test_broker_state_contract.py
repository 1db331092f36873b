"""What every broker keeps to beside the streams: trimming, hashes, sets and leases."""

import itertools
import threading
import time
from typing import TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.broker import Broker, Delivery
from tests.pipeline.broker_steps import DEADLINE_S, ack, append, content


def test_fields_are_set_beside_the_others(any_broker: Broker) -> None:
    with any_broker.transaction() as transaction:
        transaction.set_fields("h", {"text": "ü", "count": 3, "time_s": 0.1})
    with any_broker.transaction() as transaction:
        transaction.set_fields("h", {"count": 4, "state": b"\x00\xff"})
        transaction.set_fields("h", {})
    assert any_broker.get_fields("h") == {"text": "ü".encode(), "count": b"4", "time_s": b"0.1", "state": b"\x00\xff"}


def test_a_field_counts_from_one(any_broker: Broker) -> None:
    assert [any_broker.increment("h", "epoch") for _ in range(3)] == [1, 2, 3]
    assert any_broker.get_fields("h") == {"epoch": b"3"}


def test_members_are_a_set(any_broker: Broker) -> None:
    with any_broker.transaction() as transaction:
        for name in ("a", "b", "a"):
            transaction.add_member("m", name)
    assert any_broker.members("m") == {"a", "b"}


def test_deleted_keys_are_gone(any_broker: Broker) -> None:
    append(any_broker, "s", b"1")
    any_broker.increment("h", "a")
    any_broker.lease("l", "one", 60)
    any_broker.delete(["s", "h", "l", "unknown"])
    any_broker.delete([])
    assert content(any_broker, "s") == []
    assert any_broker.get_fields("h") == {}
    assert any_broker.lease("l", "two", 60)


def test_a_lease_has_one_owner_who_may_renew_it(any_broker: Broker) -> None:
    assert any_broker.lease("l", "one", 60)
    assert any_broker.lease("l", "one", 60)
    assert not any_broker.lease("l", "two", 60)


def test_only_the_owner_gives_a_lease_back(any_broker: Broker) -> None:
    any_broker.lease("l", "one", 60)
    any_broker.release("l", "two")
    assert not any_broker.lease("l", "two", 60)
    any_broker.release("l", "one")
    assert any_broker.lease("l", "two", 60)
    any_broker.release("unknown", "one")


def test_a_lease_that_is_not_renewed_goes_to_the_next(any_broker: Broker) -> None:
    any_broker.lease("l", "one", 0.03)
    deadline = time.monotonic() + DEADLINE_S
    while not any_broker.lease("l", "two", 60):
        assert time.monotonic() < deadline
    assert not any_broker.lease("l", "one", 60)


def test_one_of_many_gets_the_lease(any_broker: Broker) -> None:
    taken: list[str] = []
    contenders = [
        threading.Thread(
            target=lambda name=str(number): taken.append(name) if any_broker.lease("l", name, 60) else None
        )
        for number in range(8)
    ]
    for contender in contenders:
        contender.start()
    for contender in contenders:
        contender.join()
    assert len(taken) == 1


def test_trimming_keeps_all_for_a_group_that_never_read(any_broker: Broker) -> None:
    append(any_broker, "s", b"1", b"2")
    any_broker.group(["s"], "late", "one")
    ack(any_broker, "g", *any_broker.group(["s"], "g", "one").read(2, 0))
    any_broker.trim_acknowledged("s")
    assert content(any_broker, "s") == [b"1", b"2"]


def test_trimming_without_a_group_or_a_stream_removes_nothing(any_broker: Broker) -> None:
    append(any_broker, "s", b"1")
    for stream in ("s", "unknown"):
        any_broker.trim_acknowledged(stream)
        any_broker.trim_before(stream, "0-1")
    assert content(any_broker, "s") == [b"1"]


def test_trimming_before_an_id_keeps_that_id(any_broker: Broker) -> None:
    with any_broker.transaction() as transaction:
        for number in (1, 2, 3):
            transaction.publish("p", f"9-{number}", b"%d" % number, {})
    any_broker.trim_before("p", "9-2")
    assert content(any_broker, "p") == [b"2", b"3"]


Step: TypeAlias = tuple[str, int, int]
STEPS = st.lists(st.tuples(st.sampled_from(["append", "read", "ack", "trim"]), st.integers(0, 1), st.integers(0, 5)))
RUNS = itertools.count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_trimming_removes_what_all_have_acknowledged_and_nothing_else(any_broker: Broker, steps: list[Step]) -> None:
    stream = f"trimmed-{next(RUNS)}"
    groups = [any_broker.group([stream], f"g{number}", "one") for number in (0, 1)]
    held: list[list[Delivery]] = [[], []]
    acked: list[set[bytes]] = [set(), set()]
    appended: list[bytes] = []
    for action, which, amount in [*steps, ("trim", 0, 0)]:
        if action == "append":
            new = [b"%d" % number for number in range(len(appended), len(appended) + amount)]
            append(any_broker, stream, *new)
            appended += new
        elif action == "read":
            held[which] += groups[which].read(amount + 1, 0)
        elif action == "ack" and held[which]:
            delivery = held[which].pop(amount % len(held[which]))
            ack(any_broker, f"g{which}", delivery)
            acked[which].add(delivery.body)
        elif action == "trim":
            any_broker.trim_acknowledged(stream)
            needed = [number for number, body in enumerate(appended) if not all(body in done for done in acked)]
            assert content(any_broker, stream) == appended[needed[0] if needed else len(appended) :]
