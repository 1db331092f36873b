"""Records reach what speaks Kafka's protocol, also when it is frozen for a while.

The broker is librdkafka's mock cluster in a process of its own, spoken to over TCP: the protocol is real, Kafka's
storage and replication are not there.
"""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import ValidationError

from stages.annotator.sinks.kafka import KafkaSink
from tests.peers.kafka import MockKafka
from tests.pipeline.broker_steps import wait_for
from tests.stages.annotator.couriers.parcels import event_parcel, frame_parcel
from tests.stages.annotator.sinks.sending import sending


@pytest.fixture(scope="module")
def kafka() -> Iterator[MockKafka]:
    broker = MockKafka()
    yield broker
    broker.close()


def test_records_are_keyed_by_source_and_carry_their_id(kafka: MockKafka) -> None:
    with sending(KafkaSink(servers=kafka.servers)) as sender:
        sender.send(*(frame_parcel(seq) for seq in range(5)), event_parcel(4))
    found = kafka.records("detstream.frames", 5)
    assert [(key, ident) for key, ident, _ in found] == [(b"gate", b"run1/gate/%d" % seq) for seq in range(5)]
    assert [json.loads(value)["seq"] for _, _, value in found] == list(range(5))
    assert [ident for _, ident, _ in kafka.records("detstream.events", 1)] == [b"gate/4-0"]


def test_a_broker_that_hangs_for_a_while_loses_nothing(kafka: MockKafka) -> None:
    with sending(KafkaSink(servers=kafka.servers, events_topic="frozen", timeout_s=1)) as sender:
        sender.send(*(event_parcel(seq) for seq in range(20)))
        kafka.freeze()
        try:
            sender.post(*(event_parcel(seq) for seq in range(20, 40)))
            wait_for(lambda: sender.courier.failing)
        finally:
            kafka.thaw()
        sender.send(event_parcel(40))
    seqs = [json.loads(value)["seq"] for _, _, value in kafka.records("frozen", 41)]
    assert sorted(set(seqs)) == list(range(41)) and list(dict.fromkeys(seqs)) == list(range(41))


def test_what_is_too_large_is_buried_and_the_rest_goes_on(kafka: MockKafka) -> None:
    large = replace(event_parcel(1), body={"seq": 1, "text": "x" * 2000})
    with sending(KafkaSink(servers=kafka.servers, events_topic="large", options={"message.max.bytes": 1500})) as sender:
        sender.send(event_parcel(0), large, event_parcel(2))
        ((parcel, reason),) = sender.buried
    assert parcel.seq == 1 and "too large" in reason
    seqs = [json.loads(value)["seq"] for _, _, value in kafka.records("large", 2)]
    assert set(seqs) == {0, 2}


def test_secrets_are_named_not_written() -> None:
    with pytest.raises(ValidationError, match="a secret is written as"):
        KafkaSink(servers="host", options={"sasl.password": "hunter2"})
    named = {"sasl.password": "${KAFKA_PASSWORD}"}
    assert KafkaSink(servers="host", options=named).options == named
