"""What every broker keeps to with streams and groups: the one in memory, the embedded Valkey, and a Redis."""

import threading
import time

import pytest

from pipeline.broker import CHOSEN_BY_THE_BROKER, Broker, Delivery
from pipeline.errors import BrokerError
from tests.fakes import MemoryBroker
from tests.pipeline.broker_steps import CLAIM_AFTER_S, DEADLINE_S, ack, append, bodies, content, read_until


def test_a_group_reads_from_the_first_entry_on_in_order(any_broker: Broker) -> None:
    append(any_broker, "s", b"1", b"2", b"3")
    group = any_broker.group(["s"], "g", "one")
    assert bodies(group.read(2, 0)) == [b"1", b"2"]
    append(any_broker, "s", b"4")
    assert bodies(group.read(5, 0)) == [b"3", b"4"]


def test_a_fresh_entry_was_delivered_once_and_names_its_stream(any_broker: Broker) -> None:
    append(any_broker, "s", b"1")
    (delivery,) = any_broker.group(["s"], "g", "one").read(1, 0)
    assert (delivery.stream, delivery.deliveries) == ("s", 1)


def test_bodies_of_any_bytes_come_back_unchanged(any_broker: Broker) -> None:
    odd = [b"", b"\r\n", bytes(range(256)), b"x" * 100_000]
    append(any_broker, "s", *odd)
    assert bodies(any_broker.group(["s"], "g", "one").read(9, 0)) == odd


def test_a_read_without_entries_comes_back_with_none(any_broker: Broker) -> None:
    group = any_broker.group(["s"], "g", "one")
    assert group.read(1, 0) == []
    assert group.read(1, 0.02) == []
    assert any_broker.read({"s": "0", "t": "0"}, 1, 0.02) == []


def test_a_blocked_group_wakes_up_for_a_new_entry(any_broker: Broker) -> None:
    group = any_broker.group(["s"], "g", "one")
    writer = threading.Timer(0.05, append, (any_broker, "s", b"1"))
    writer.start()
    assert bodies(group.read(1, DEADLINE_S)) == [b"1"]
    writer.join()


def test_a_blocked_reader_wakes_up_for_a_new_entry(any_broker: Broker) -> None:
    writer = threading.Timer(0.05, append, (any_broker, "t", b"1"))
    writer.start()
    assert bodies(any_broker.read({"s": "0", "t": "0"}, 1, DEADLINE_S)) == [b"1"]
    writer.join()


def test_consumers_of_a_group_share_the_entries(any_broker: Broker) -> None:
    append(any_broker, "s", b"1", b"2", b"3", b"4")
    one, two = any_broker.group(["s"], "g", "one"), any_broker.group("s", "g", "two")
    assert bodies(one.read(1, 0) + two.read(2, 0) + one.read(2, 0)) == [b"1", b"2", b"3", b"4"]


def test_each_group_gets_every_entry(any_broker: Broker) -> None:
    append(any_broker, "s", b"1", b"2")
    for name in ("g", "h"):
        assert bodies(any_broker.group(["s"], name, "one").read(9, 0)) == [b"1", b"2"]


def test_a_consumer_that_comes_back_gets_what_it_held_first_and_one_at_a_time(any_broker: Broker) -> None:
    append(any_broker, "s", b"1", b"2", b"3", b"4")
    ack(any_broker, "g", any_broker.group(["s"], "g", "one").read(3, 0)[1])
    again = any_broker.group(["s"], "g", "one")
    reads = [again.read(9, 0) for _ in range(3)]
    assert [bodies(read) for read in reads] == [[b"1"], [b"3"], [b"4"]]
    assert [read[0].deliveries for read in reads] == [2, 2, 1]


def test_what_a_dead_consumer_held_is_claimed_one_at_a_time(any_broker: Broker) -> None:
    append(any_broker, "s", b"1", b"2")
    any_broker.group(["s"], "g", "dead").read(2, 0)
    alive = any_broker.group(["s"], "g", "alive")
    found: list[list[Delivery]] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(found) < 2 and time.monotonic() < deadline:
        found += [read] if (read := alive.read(9, CLAIM_AFTER_S)) else []
    assert [bodies(read) for read in found] == [[b"1"], [b"2"]]
    assert [read[0].deliveries for read in found] == [2, 2]


def test_each_death_counts_as_a_delivery(any_broker: Broker) -> None:
    append(any_broker, "s", b"poison")
    for deaths in range(4):
        consumer = any_broker.group(["s"], "g", f"consumer-{deaths}")
        (delivery,) = read_until(consumer, len)
        assert delivery.deliveries == deaths + 1


def test_a_slow_consumer_is_not_given_what_it_has_in_hand(any_broker: Broker) -> None:
    append(any_broker, "s", b"1")
    slow = any_broker.group(["s"], "g", "slow")
    slow.read(1, 0)
    assert slow.read(1, 4 * CLAIM_AFTER_S) == []
    (claimed,) = read_until(any_broker.group(["s"], "g", "other"), len)
    assert claimed.deliveries == 2


def test_an_acknowledged_entry_is_never_delivered_again(any_broker: Broker) -> None:
    append(any_broker, "s", b"1", b"2")
    one = any_broker.group(["s"], "g", "one")
    ack(any_broker, "g", *one.read(2, 0))
    assert any_broker.group(["s"], "g", "one").read(1, 0) == []
    assert any_broker.group(["s"], "g", "two").read(1, 3 * CLAIM_AFTER_S) == []


def test_entries_removed_while_pending_are_passed_over(any_broker: Broker) -> None:
    append(any_broker, "s", b"1", b"2", b"3")
    held = any_broker.group(["s"], "g", "one").read(2, 0)
    any_broker.trim_before("s", held[1].id)
    assert bodies(read_until(any_broker.group(["s"], "g", "one"), len)) == [b"2"]
    any_broker.trim_before("s", any_broker.read({"s": held[1].id}, 1, 0)[0].id)
    assert bodies(read_until(any_broker.group(["s"], "g", "two"), len)) == [b"3"]


def test_acknowledging_nothing_or_the_unknown_is_no_error(any_broker: Broker) -> None:
    with any_broker.transaction() as transaction:
        transaction.ack("s", "g", [])
        transaction.ack("s", "g", ["1-1"])


def test_a_published_entry_has_its_id_and_a_second_copy_is_ignored(any_broker: Broker) -> None:
    for body in (b"first", b"second"):
        with any_broker.transaction() as transaction:
            transaction.publish("p", "70-5", body, {"seq": 5})
            transaction.publish("p", "80-6", b"next", {"seq": 6})
            transaction.set_fields("position", {"seq": 6})
    assert [(found.id, found.body) for found in any_broker.read({"p": "0"}, 9, 0)] == [
        ("70-5", b"first"),
        ("80-6", b"next"),
    ]
    assert any_broker.get_fields("position") == {"seq": b"6"}


def test_an_id_may_be_left_to_the_broker(any_broker: Broker) -> None:
    for body in (b"first", b"second"):
        with any_broker.transaction() as transaction:
            transaction.publish("p", CHOSEN_BY_THE_BROKER, body, {"reason": "damaged"})
    assert content(any_broker, "p") == [b"first", b"second"]


def test_there_is_no_entry_zero(any_broker: Broker) -> None:
    with pytest.raises(BrokerError, match="greater than 0-0"), any_broker.transaction() as transaction:
        transaction.publish("p", "0-0", b"first", {})


def test_reading_goes_on_behind_the_given_ids(any_broker: Broker) -> None:
    with any_broker.transaction() as transaction:
        for number in (1, 2, 3):
            transaction.publish("p", f"9-{number}", b"%d" % number, {})
            transaction.publish("q", f"9-{number}", b"%d" % number, {})
    found = any_broker.read({"p": "9-1", "q": "0"}, 2, 0)
    assert {(delivery.stream, delivery.body) for delivery in found} == {
        ("p", b"2"),
        ("p", b"3"),
        ("q", b"1"),
        ("q", b"2"),
    }


def test_an_error_in_the_block_sends_nothing(any_broker: Broker) -> None:
    with pytest.raises(RuntimeError), any_broker.transaction() as transaction:
        transaction.append("s", b"1")
        transaction.set_fields("h", {"a": 1})
        transaction.add_member("m", "x")
        raise RuntimeError
    assert content(any_broker, "s") == []
    assert any_broker.get_fields("h") == {}
    assert any_broker.members("m") == set()


def test_an_empty_transaction_is_no_error(any_broker: Broker) -> None:
    with any_broker.transaction():
        pass


def test_claims_and_leases_of_the_fake_go_by_its_clock() -> None:
    now = 100.0
    broker = MemoryBroker(claim_after_s=10, clock=lambda: now)
    append(broker, "s", b"1")
    broker.group(["s"], "g", "dead").read(1, 0)
    assert broker.lease("l", "dead", 10)
    alive = broker.group(["s"], "g", "alive")
    now += 9.9
    assert not alive.read(1, 0)
    assert not broker.lease("l", "alive", 10)
    now += 0.1
    assert bodies(alive.read(1, 0)) == [b"1"]
    assert broker.lease("l", "alive", 10)


def test_what_is_published_in_both_streams_is_in_each_of_them_once(any_broker: Broker) -> None:
    for entry_id, body in (("5-1", b"1"), ("5-2", b"2"), ("5-2", b"a second copy"), ("5-0", b"older"), ("6-0", b"3")):
        with any_broker.transaction() as transaction:
            transaction.publish_in_both("one", "all", entry_id, body, {"v": 1}, (1000, 1000))
    assert content(any_broker, "one") == content(any_broker, "all") == [b"1", b"2", b"3"]
    assert [entry.id for entry in any_broker.read({"one": "0"}, 9, 0)] == ["5-1", "5-2", "6-0"]


def test_entries_can_be_looked_at_with_their_fields_and_removed(any_broker: Broker) -> None:
    with any_broker.transaction() as transaction:
        for seq in range(1, 5):
            transaction.publish("letters", f"{seq}-0", b"body %d" % seq, {"reason": "why", "n": seq})
    first, second = any_broker.entries("letters", "0", 2)
    assert (first.id, first.fields) == ("1-0", {"reason": b"why", "n": b"1", "body": b"body 1"})
    assert [entry.id for entry in any_broker.entries("letters", second.id, 10)] == ["3-0", "4-0"]
    assert any_broker.remove("letters", ["1-0", "3-0", "9-0"]) == 2 and any_broker.remove("letters", []) == 0
    assert [entry.id for entry in any_broker.entries("letters", "0", 10)] == ["2-0", "4-0"]


def test_a_transaction_trims_about_what_is_older_whoever_has_not_read_it(any_broker: Broker) -> None:
    any_broker.group(["s"], "g", "one")
    with any_broker.transaction() as transaction:
        for number in range(1, 1001):
            transaction.publish("s", f"{number}-0", b"x" * 100, {"v": 1})
        transaction.trim_before("s", "900-0")
    kept = any_broker.read({"s": "0"}, 1000, 0)
    assert kept[-1].id == "1000-0" and 101 <= len(kept) < 300
