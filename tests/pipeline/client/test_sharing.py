"""A group shares work: each frame to one of them, again if that one dies with it, and on from where the group was."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from redis import Redis

from detstream import FrameDetections, Gap, SourceState, Subscription, subscribe
from pipeline import keys
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import ConfigError
from pipeline.redis_broker import RedisBroker
from tests.conftest import flushed
from tests.pipeline.client.publishing import NOW_S, event, first, frame, publish, seqs, state

STREAM = keys.detections("gate")


class Group:
    """Members of one group, closed at the end."""

    def __init__(self, url: str) -> None:
        self.url, self._open = url, ExitStack()

    def joined(self, consumer: str, **options: Any) -> Subscription[Any]:
        defaults: dict[str, Any] = {"sources": "gate", "start": "earliest", "claim_after_s": 60.0}
        member: Subscription[Any] = subscribe(self.url, group="billing", consumer=consumer, **(defaults | options))
        return self._open.enter_context(member)

    def pending(self, stream: str = STREAM) -> int:
        with Redis.from_url(self.url) as client:
            return int(client.xpending(stream, "billing")["pending"])

    def close(self) -> None:
        self._open.close()


@pytest.fixture(params=["valkey", "redis_server"])
def group(request: pytest.FixtureRequest) -> Iterator[Group]:
    members = Group(flushed(request.getfixturevalue(request.param).url))
    yield members
    members.close()


@pytest.fixture
def broker(group: Group) -> Iterator[RedisBroker]:
    connection = RedisBroker(group.url)
    yield connection
    connection.close()


def test_each_frame_goes_to_one_of_the_group(group: Group, broker: RedisBroker) -> None:
    one, two = group.joined("b1"), group.joined("b2")
    publish(broker, *(frame("gate", seq) for seq in range(16)))
    found = first(one, 16)
    publish(broker, *(frame("gate", seq) for seq in range(16, 20)))
    found += first(two, 4)
    assert seqs(found) == [("gate", seq) for seq in range(20)]


def test_a_group_goes_on_where_it_was_and_what_was_not_acknowledged_comes_again(
    group: Group, broker: RedisBroker
) -> None:
    publish(broker, *(frame("gate", seq) for seq in range(6)))
    with group.joined("b1") as frames:
        held = first(frames, 4)
        frames.ack(held[0])
        frames.ack(held[1:3])
    publish(broker, frame("gate", 6))
    with group.joined("b1", start="latest") as frames:
        assert seqs(first(frames, 4)) == [("gate", 3), ("gate", 4), ("gate", 5), ("gate", 6)]
        frames.ack()
    assert group.pending() == 0


def test_a_new_group_begins_where_it_wants_to(group: Group, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), frame("gate", 1))
    frames = group.joined("b1", start="latest")
    publish(broker, frame("gate", 2))
    assert seqs(first(frames, 1)) == [("gate", 2)]


def test_what_a_dead_member_held_is_taken_over(group: Group, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), frame("gate", 1))
    dead = group.joined("b1")
    held = first(dead, 2)
    dead.ack(held[0])
    dead.close()
    heir = group.joined("b2", claim_after_s=0.2)
    assert seqs(first(heir, 1)) == [("gate", 1)]
    heir.ack()
    assert group.pending() == 0


def test_what_one_has_in_hand_itself_is_not_given_to_it_again(group: Group, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0))
    frames = group.joined("b1", claim_after_s=0.01)
    first(frames, 1)
    publish(broker, frame("gate", 1))
    assert seqs(first(frames, 1)) == [("gate", 1)]


def test_what_was_trimmed_is_told_once_by_whoever_reads_on(group: Group, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0))
    one, two = group.joined("b1", messages=True), group.joined("b2", messages=True)
    first(one, 1)
    one.ack()
    publish(broker, *(frame("gate", seq) for seq in range(1, 20)))
    broker.trim_before(STREAM, f"{int(NOW_S * 1000) + 300}-3")
    assert first(two, 1) == [Gap("gate", 1, 2)]
    assert seqs(first(two, 16)) == [("gate", seq) for seq in range(3, 19)]
    assert seqs(first(one, 1)) == [("gate", 19)]


def test_what_was_trimmed_while_a_dead_member_held_it_is_told(group: Group, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), frame("gate", 1))
    with group.joined("b1") as frames:
        first(frames, 2)
    broker.trim_before(STREAM, f"{int(NOW_S * 1000) + 100}-1")
    again = group.joined("b1", messages=True)
    gap, one = first(again, 2)
    assert gap == Gap("gate", 0, 0) and seqs([one]) == [("gate", 1)]
    again.ack()
    assert group.pending() == 0


def test_what_is_no_work_is_acknowledged_by_itself(group: Group, broker: RedisBroker) -> None:
    frames = group.joined("b1")
    publish(broker, frame("gate", 0, error="damaged"), frame("gate", 1))
    (one,) = first(frames, 1)
    assert isinstance(one, FrameDetections) and one.missed_before == 0  # others may have had those before
    frames.ack(one)
    publish(broker, frame("gate", 2))
    first(frames, 1)
    assert group.pending() == 1


def test_every_member_is_told_how_the_cameras_are(group: Group, broker: RedisBroker) -> None:
    members = [group.joined(name, messages=True) for name in ("b1", "b2")]
    publish(broker, state("gate", "failed", code="auth"))
    for member in members:
        (told,) = first(member, 1)
        assert isinstance(told, SourceState) and told.code == "auth"


def test_new_sources_join_a_group_too(group: Group, broker: RedisBroker) -> None:
    publish(broker, frame("gate-1", 0))
    frames = group.joined("b1", sources="gate*")
    publish(broker, frame("gate-2", 0), frame("yard", 0))
    assert sorted(seqs(first(frames, 2))) == [("gate-1", 0), ("gate-2", 0)]


def test_events_are_shared_in_the_same_way(group: Group, broker: RedisBroker) -> None:
    publish(broker, event("gate", 1), event("gate", 2))
    with group.joined("b1", events=True) as events:
        one, _ = first(events, 2)
        events.ack(one)
    assert first(group.joined("b1", events=True), 1) == [event("gate", 2)]


def test_a_group_survives_that_the_broker_forgets_everything(group: Group, broker: RedisBroker) -> None:
    frames = group.joined("b1")
    publish(broker, frame("gate", 0))
    first(frames, 1)
    flushed(group.url)
    publish(broker, frame("gate", 1))
    assert seqs(first(frames, 1)) == [("gate", 1)]


def test_without_a_group_there_is_nothing_to_acknowledge(valkey: EmbeddedBroker) -> None:
    with subscribe(valkey.url, "gate") as frames, pytest.raises(ConfigError, match=r"subscribe with group="):
        frames.ack()
