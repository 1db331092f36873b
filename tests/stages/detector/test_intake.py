"""Each item of the queues is answered for: as a frame with its pixels, as a failed one, or as one that is none."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import keys
from pipeline.broker import Delivery
from pipeline.frame import Frame
from pipeline.ledger import Ledger
from pipeline.messages import FrameMeta
from pipeline.wire import decode, encode
from stages.detector.intake import Intake
from tests.stages.detector.bench import MOST_DELIVERIES, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def intake(bench: Bench) -> Intake:
    return Intake(bench.broker, bench.store, MOST_DELIVERIES)


def frames(bench: Bench, deliveries: Sequence[Delivery] | None = None) -> list[Frame]:
    taken = bench.taken() if deliveries is None else deliveries
    return [frame for _, frame in intake(bench).frames(taken)]


def named(found: Sequence[Frame]) -> list[tuple[str, int, int]]:
    """Return source, number and colour of each frame."""
    return [(frame.meta.source, frame.meta.seq, int(frame.image.max())) for frame in found]


def test_a_cameras_item_is_its_newest_frame_by_now_and_a_recordings_is_its_own(bench: Bench) -> None:
    bench.offer("gate", 3)
    bench.announce("clip", 0, 1)
    taken = bench.taken()
    bench.offer("gate", 4, 5)
    assert named(frames(bench, taken)) == [("gate", 5, 5), ("clip", 0, 0), ("clip", 1, 1)]


def test_each_frame_of_a_camera_knows_the_one_that_was_taken_before(bench: Bench) -> None:
    bench.offer("gate", 3)
    (first,) = frames(bench)
    bench.offer("gate", 7)
    (second,) = frames(bench)
    assert (first.meta.previous, second.meta.previous) == (-1, 3)
    bench.announce("clip", 0)
    assert frames(bench)[0].meta.previous is None


def test_frames_come_with_their_items_in_the_order_of_the_items(bench: Bench) -> None:
    bench.announce("clip", 0)
    for camera in ("c", "a", "b"):
        bench.offer(camera, 9)
    taken = bench.taken()
    found = intake(bench).frames(taken)
    assert [delivery for delivery, _ in found] == taken
    assert [frame.meta.source for _, frame in found] == ["a", "b", "c", "clip"]  # none has been looked at yet
    assert bench.pending(keys.LIVE) == 3 and bench.pending(keys.FRAMES) == 1


def test_who_was_looked_at_longest_ago_comes_first(bench: Bench) -> None:
    for camera in ("gate", "yard", "roof"):
        bench.offer(camera, 1)
        frames(bench)
        bench.now_s += 1
    for camera in ("roof", "gate", "yard"):
        bench.offer(camera, 2)
    assert [source for source, _, _ in named(frames(bench))] == ["gate", "yard", "roof"]


def test_a_turn_that_no_camera_waits_for_is_forgotten(bench: Bench) -> None:
    bench.offer("gate", 3)
    taken = bench.taken()
    assert named(frames(bench, taken)) == [("gate", 3, 3)]
    assert frames(bench, taken) == []
    assert bench.pending(keys.LIVE) == 0 and bench.letters() == [] and bench.answers() == []
    bench.offer("gate", 4)
    assert named(frames(bench)) == [("gate", 4, 4)]


def test_any_turn_is_good_for_any_camera(bench: Bench) -> None:
    bench.offer("gate", 3)
    bench.offer("yard", 1)
    first, second = bench.taken()
    assert [source for source, _, _ in named(frames(bench, [second]))] == ["gate"]
    assert [source for source, _, _ in named(frames(bench, [first]))] == ["yard"]


def test_a_frame_of_an_older_epoch_is_not_taken(bench: Bench) -> None:
    bench.offer("gate", 3)
    epoch = bench.begin("gate", live=True)
    bench.broker.withdraw(keys.live("gate"), epoch)
    bench.offer("yard", 1)
    assert named(frames(bench)) == [("yard", 1, 1)]
    bench.offer("gate", 8)
    assert named(frames(bench)) == [("gate", 8, 8)]
    assert bench.pending(keys.LIVE) == 2 and bench.letters() == []


def test_a_camera_that_was_removed_leaves_no_frame(bench: Bench) -> None:
    bench.offer("gate", 3)
    bench.broker.delete(Ledger(bench.broker, "gate").all_keys())
    assert frames(bench) == [] and not bench.busy() and bench.letters() == []


def test_a_cameras_frame_without_pixels_has_failed_and_the_others_go_on(bench: Bench) -> None:
    bench.offer("gate", 3)
    bench.offer("yard", 1)
    bench.offer("roof", 5, stored=False)
    bench.writers["gate"].close()
    assert named(frames(bench)) == [("yard", 1, 1)]
    assert {found.frame.source: found.frame.previous for found in bench.answers()} == {"gate": -1, "roof": -1}
    assert all(found.error for found in bench.answers()) and len(bench.letters()) == 2
    assert Ledger(bench.broker, "gate").read().rewinds == 0
    bench.begin("gate", live=True)
    bench.offer("gate", 9)
    (again,) = frames(bench)
    assert (again.meta.seq, again.meta.previous) == (9, 3)


def test_what_is_no_work_item_goes_to_the_dead_letters_and_the_others_go_on(bench: Bench) -> None:
    bench.send(b"rubbish")
    bench.announce("clip", 0)
    bench.offer("gate", 3)
    with bench.broker.transaction() as transaction:
        transaction.append(keys.LIVE, b"\xc1")
    assert named(frames(bench)) == [("gate", 3, 3), ("clip", 0, 0)]
    assert [body for body, _ in bench.letters()] == [b"\xc1", b"rubbish"]
    assert bench.pending(keys.LIVE) == bench.pending(keys.FRAMES) == 1


def test_a_frame_that_nobody_can_read_goes_to_the_dead_letters_and_the_others_go_on(bench: Bench) -> None:
    bench.offer("gate", 3)
    bench.offer("yard", 1)
    bench.broker.hashes[keys.live("gate")]["meta"] = b"of a newer detstream"
    assert named(frames(bench)) == [("yard", 1, 1)]
    ((_, reason),) = bench.letters()
    assert "damaged message" in reason and bench.pending(keys.LIVE) == 1
    bench.offer("gate", 4)
    assert named(frames(bench)) == [("gate", 4, 4)]


def test_an_item_that_is_given_up_does_not_pass_for_another_with_the_same_id(bench: Bench) -> None:
    bench.offer("gate", 3)
    (live,) = bench.taken()
    poisoned = Delivery(keys.FRAMES, live.id, encode(FrameMeta("clip", 1, 0, 0.0, 1, 1)), MOST_DELIVERIES + 1)
    assert named(frames(bench, [live, poisoned])) == [("gate", 3, 3)]
    assert bench.failed() == {0: "gave up after 3 detectors died with it"}


def test_a_recordings_frame_is_given_up_after_so_many_deaths_and_a_cameras_item_never(bench: Bench) -> None:
    bench.announce("clip", 0)
    bench.offer("gate", 3)
    deaths = MOST_DELIVERIES + 1
    taken = [Delivery(item.stream, item.id, item.body, deaths) for item in bench.taken()]
    assert named(frames(bench, taken)) == [("gate", 3, 3)]
    assert bench.failed() == {0: "gave up after 3 detectors died with it"}


def test_dead_letters_do_not_fill_the_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.dead_letters.LETTERS_KEPT", 10)
    for seq in range(50):
        bench.offer("gate", seq, stored=False)
        assert frames(bench) == []
    letters = [decode(body) for body, _ in bench.letters()]
    assert [letter.seq for letter in letters if isinstance(letter, FrameMeta)] == list(range(40, 50))
    assert len(bench.answers()) == 50


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.booleans()), max_size=25))
def test_of_each_camera_every_frame_is_newer_than_the_one_before_and_names_it(
    steps: Sequence[tuple[str, int, bool]],
) -> None:
    bench = Bench()
    seqs, taken = dict.fromkeys("abc", 0), {name: [-1] for name in "abc"}
    for camera, count, look in steps:
        bench.offer(camera, *range(seqs[camera], seqs[camera] + count))
        seqs[camera] += count
        for frame in frames(bench) if look else []:
            name, before = frame.meta.source, taken[frame.meta.source]
            assert (frame.meta.seq, frame.meta.previous) == (seqs[name] - 1, before[-1])
            before.append(frame.meta.seq)
