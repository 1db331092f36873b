"""What every broker keeps to for cameras: the newest frame, taken once, by who has the camera's last ticket."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.broker import Bound, Broker, Ticket
from tests.pipeline.broker_steps import ack, append, bodies, content

KEY, STREAM = "live:gate", "live"


def offer(broker: Broker, seq: int, epoch: int = 1) -> bool:
    return broker.offer(KEY, STREAM, epoch, seq, b"meta %d" % seq, b"%d %d" % (epoch, seq))


def bind(broker: Broker, number: int, epoch: int = 1) -> Bound | None:
    (bound,) = broker.bind([Ticket(KEY, epoch, number)])
    return bound


def test_only_one_item_waits_and_it_is_good_for_the_newest_frame(any_broker: Broker) -> None:
    assert all(offer(any_broker, seq) for seq in (3, 4, 5))
    assert content(any_broker, STREAM) == [b"1 3"]
    assert bind(any_broker, 3) == Bound(b"meta 5", -1)
    assert bind(any_broker, 3) is None


def test_the_next_item_comes_with_the_next_frame_and_knows_the_one_before(any_broker: Broker) -> None:
    offer(any_broker, 3)
    bind(any_broker, 3)
    offer(any_broker, 9)
    offer(any_broker, 10)
    assert content(any_broker, STREAM) == [b"1 3", b"1 9"]
    assert bind(any_broker, 9) == Bound(b"meta 10", 3)


def test_a_newer_epoch_refuses_the_older_one_and_its_tickets(any_broker: Broker) -> None:
    offer(any_broker, 3)
    assert offer(any_broker, 4, epoch=2)
    assert not offer(any_broker, 5)
    assert bind(any_broker, 3) is None
    assert any_broker.pass_over(KEY, 1, 6) is None
    assert bind(any_broker, 4, epoch=2) == Bound(b"meta 4", -1)


def test_what_was_taken_before_is_known_over_epochs(any_broker: Broker) -> None:
    offer(any_broker, 3)
    bind(any_broker, 3)
    offer(any_broker, 7, epoch=2)
    assert bind(any_broker, 7, epoch=2) == Bound(b"meta 7", 3)


def test_a_frame_that_nobody_has_to_look_at_is_passed_over_unless_one_waits(any_broker: Broker) -> None:
    assert any_broker.pass_over(KEY, 1, 2) == -1
    assert any_broker.pass_over(KEY, 1, 3) == 2
    offer(any_broker, 4)
    assert any_broker.pass_over(KEY, 1, 5) is None
    assert bind(any_broker, 4) == Bound(b"meta 4", 3)
    assert any_broker.pass_over(KEY, 1, 6) == 4


def test_a_withdrawn_item_is_good_for_nothing_and_the_next_frame_makes_another(any_broker: Broker) -> None:
    offer(any_broker, 3)
    any_broker.withdraw(KEY, 0)
    any_broker.withdraw("live:none", 1)
    any_broker.withdraw(KEY, 1)
    assert bind(any_broker, 3) is None
    offer(any_broker, 4)
    assert content(any_broker, STREAM) == [b"1 3", b"1 4"] and bind(any_broker, 4) == Bound(b"meta 4", -1)


def test_withdrawing_for_a_newer_epoch_refuses_the_older_one_before_anything_is_offered(any_broker: Broker) -> None:
    offer(any_broker, 3)
    any_broker.withdraw(KEY, 2)
    assert not offer(any_broker, 4) and any_broker.pass_over(KEY, 1, 4) is None
    assert bind(any_broker, 3) is None
    assert offer(any_broker, 5, epoch=2) and bind(any_broker, 5, epoch=2) == Bound(b"meta 5", -1)


def test_tickets_are_taken_together_each_for_its_camera(any_broker: Broker) -> None:
    any_broker.offer("live:a", STREAM, 1, 1, b"a", b"")
    any_broker.offer("live:b", STREAM, 1, 2, b"b", b"")
    tickets = [Ticket("live:b", 1, 2), Ticket("live:none", 1, 1), Ticket("live:a", 1, 1)]
    assert any_broker.bind(tickets) == [Bound(b"b", -1), None, Bound(b"a", -1)]


@dataclass
class Camera:
    """What has to hold of one camera."""

    seq: int = 0
    waiting: list[int] = field(default_factory=list)
    offered: int = -1
    taken: list[int] = field(default_factory=lambda: [-1])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["offer", "bind", "again", "pass"]), max_size=25))
def test_frames_are_taken_in_order_each_with_the_one_before_it(any_broker: Broker, steps: list[str]) -> None:
    any_broker.delete([KEY, STREAM])
    camera = Camera()
    for step in steps:
        if step == "offer":
            camera.offered, camera.seq = camera.seq, camera.seq + 1
            offer(any_broker, camera.offered)
            camera.waiting = camera.waiting or [camera.offered]
            assert len(content(any_broker, STREAM)) <= len(camera.taken)
        elif step == "pass":
            previous = any_broker.pass_over(KEY, 1, camera.seq)
            assert previous == (None if camera.waiting else camera.taken[-1])
            if previous is not None:
                camera.taken.append(camera.seq)
            camera.seq += 1
        elif step == "bind" and camera.waiting:
            assert bind(any_broker, camera.waiting.pop()) == Bound(b"meta %d" % camera.offered, camera.taken[-1])
            camera.taken.append(camera.offered)
        elif step == "again" and len(camera.taken) > 1:
            assert bind(any_broker, camera.taken[-1]) is None or camera.waiting == []


def test_a_group_reads_several_streams_the_first_one_first(any_broker: Broker) -> None:
    group = any_broker.group(["a", "b"], "g", "one")
    append(any_broker, "b", b"3", b"4", b"5")
    append(any_broker, "a", b"1", b"2")
    found = group.read(2, 0)
    assert bodies(found) == [b"1", b"2", b"3", b"4"]
    assert [delivery.stream for delivery in found] == ["a", "a", "b", "b"]
    append(any_broker, "a", b"6")
    assert bodies(group.read(2, 0, ["b"])) == [b"5"]
    assert bodies(group.read(2, 0)) == [b"6"]


def test_what_is_held_of_several_streams_comes_again(any_broker: Broker) -> None:
    append(any_broker, "a", b"1", b"2")
    append(any_broker, "b", b"3")
    held = any_broker.group(["a", "b"], "g", "one").read(5, 0)
    ack(any_broker, "g", held[0])
    again = any_broker.group(["a", "b"], "g", "one")
    found = [again.read(5, 0) for _ in range(3)]
    assert [bodies(part) for part in found] == [[b"2"], [b"3"], []]
    assert [delivery.deliveries for part in found for delivery in part] == [2, 2]
