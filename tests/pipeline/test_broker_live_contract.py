"""What every broker keeps to for cameras: the newest frame, taken once, and each camera in its turn."""

import time
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import keys
from pipeline.broker import Bound, Broker
from tests.pipeline.broker_steps import ack, append, bodies, content

KEY = "live:gate"


def offer(broker: Broker, seq: int, epoch: int = 1, key: str = KEY) -> bool:
    return broker.offer(key, epoch, seq, b"%s %d" % (key.encode(), seq), b"turn")


def bind(broker: Broker) -> Bound | None:
    return next(iter(broker.bind(1)), None)


def test_only_one_item_waits_and_the_newest_frame_is_what_it_is_good_for(any_broker: Broker) -> None:
    assert all(offer(any_broker, seq) for seq in (3, 4, 5))
    assert content(any_broker, keys.LIVE) == [b"turn"]
    assert bind(any_broker) == Bound(b"live:gate 5", -1)
    assert bind(any_broker) is None


def test_the_next_item_comes_with_the_next_frame_and_knows_the_one_before(any_broker: Broker) -> None:
    offer(any_broker, 3)
    bind(any_broker)
    offer(any_broker, 9)
    offer(any_broker, 10)
    assert len(content(any_broker, keys.LIVE)) == 2
    assert bind(any_broker) == Bound(b"live:gate 10", 3)


def test_a_newer_epoch_refuses_the_older_one(any_broker: Broker) -> None:
    offer(any_broker, 3)
    assert offer(any_broker, 4, epoch=2)
    assert not offer(any_broker, 5)
    assert any_broker.pass_over(KEY, 1, 6) is None
    assert bind(any_broker) == Bound(b"live:gate 4", -1)


def test_what_was_taken_before_is_known_over_epochs(any_broker: Broker) -> None:
    offer(any_broker, 3)
    bind(any_broker)
    offer(any_broker, 7, epoch=2)
    assert bind(any_broker) == Bound(b"live:gate 7", 3)


def test_a_frame_that_nobody_has_to_look_at_is_passed_over_unless_one_waits(any_broker: Broker) -> None:
    assert any_broker.pass_over(KEY, 1, 2) == -1
    assert any_broker.pass_over(KEY, 1, 3) == 2
    offer(any_broker, 4)
    assert any_broker.pass_over(KEY, 1, 5) is None
    assert bind(any_broker) == Bound(b"live:gate 4", 3)
    assert any_broker.pass_over(KEY, 1, 6) == 4


def test_a_withdrawn_frame_is_gone_and_its_epoch_is_over_for_older_ones(any_broker: Broker) -> None:
    offer(any_broker, 3, epoch=2)
    any_broker.withdraw(KEY, 1)
    any_broker.withdraw("live:none", 1)
    assert bind(any_broker) == Bound(b"live:gate 3", -1)
    offer(any_broker, 4, epoch=2)
    any_broker.withdraw(KEY, 5)
    assert bind(any_broker) is None
    assert not offer(any_broker, 5, epoch=4)
    assert offer(any_broker, 6, epoch=5) and bind(any_broker) == Bound(b"live:gate 6", 3)


def test_several_are_taken_together_each_of_another_camera(any_broker: Broker) -> None:
    for key in ("live:a", "live:b", "live:c"):
        offer(any_broker, 1, key=key)
    assert len(content(any_broker, keys.LIVE)) == 3
    assert {bound.meta for bound in any_broker.bind(2)} | {bound.meta for bound in any_broker.bind(9)} == {
        b"live:a 1",
        b"live:b 1",
        b"live:c 1",
    }


def test_the_camera_that_was_looked_at_longest_ago_comes_first(any_broker: Broker) -> None:
    """Ten cameras whose frames come all at once, and time for eight of them: first come, first served is not fair."""
    names = [f"live:{number}" for number in range(10)]
    turns: Counter[bytes] = Counter()
    for seq in range(20):
        for name in names:
            offer(any_broker, seq, key=name)
        for _ in range(8):
            turns.update(bound.meta.split()[0] for bound in any_broker.bind(1))
            until = time.monotonic() + 0.002  # times of turns are of milliseconds
            while time.monotonic() < until:
                pass
    assert len(turns) == 10 and max(turns.values()) - min(turns.values()) <= 1


def test_a_camera_that_is_gone_is_no_turn(any_broker: Broker) -> None:
    offer(any_broker, 1)
    any_broker.delete([KEY])
    assert any_broker.bind(3) == []


@dataclass
class Camera:
    """What has to hold of one camera."""

    seq: int = 0
    offered: int | None = None
    taken: list[int] = field(default_factory=lambda: [-1])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["offer", "bind", "pass"]), max_size=25))
def test_frames_are_taken_in_order_each_with_the_one_before_it(any_broker: Broker, steps: list[str]) -> None:
    any_broker.withdraw(KEY, 1)
    any_broker.delete([KEY, keys.LIVE])
    camera = Camera()
    for step in steps:
        if step == "offer":
            camera.offered = camera.seq
            offer(any_broker, camera.seq)
            camera.seq += 1
        elif step == "pass":
            previous = any_broker.pass_over(KEY, 1, camera.seq)
            assert previous == (None if camera.offered is not None else camera.taken[-1])
            if previous is not None:
                camera.taken.append(camera.seq)
            camera.seq += 1
        else:
            wanted = None if camera.offered is None else Bound(b"live:gate %d" % camera.offered, camera.taken[-1])
            assert bind(any_broker) == wanted
            if camera.offered is not None:
                camera.taken.append(camera.offered)
            camera.offered = None


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
