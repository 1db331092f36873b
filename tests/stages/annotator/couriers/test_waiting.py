"""What waits for a peer is bounded, in order, and events are dropped last."""

from stages.annotator.couriers.waiting import Waiting
from tests.stages.annotator.couriers.parcels import event_parcel, frame_parcel


def test_what_is_put_is_taken_in_order_until_it_is_settled() -> None:
    waiting = Waiting(10)
    for seq in range(4):
        waiting.put(frame_parcel(seq), droppable=False)
    assert [parcel.seq for parcel in waiting.take(2)] == [0, 1] == [parcel.seq for parcel in waiting.take(2)]
    waiting.settle()
    assert [parcel.seq for parcel in waiting.take(2)] == [1, 2] and len(waiting) == 3


def test_where_it_is_full_the_oldest_frames_go_first_and_then_events() -> None:
    waiting = Waiting(3)
    for parcel in (event_parcel(0), frame_parcel(1), event_parcel(2), event_parcel(3), event_parcel(4)):
        waiting.put(parcel, droppable=True)
    waiting.put(frame_parcel(9), droppable=True)
    assert [parcel.seq for parcel in waiting.take(3)] == [2, 3, 4], "no event gives way to a frame"
    assert waiting.missed["gate"] == 3


def test_what_is_being_sent_and_what_is_required_is_never_dropped() -> None:
    waiting = Waiting(1)
    waiting.put(frame_parcel(0), droppable=True)
    waiting.take(1)
    waiting.put(frame_parcel(1), droppable=False)
    waiting.put(frame_parcel(2), droppable=True)
    assert [parcel.seq for parcel in waiting.take(9)] == [0, 1] and waiting.missed["gate"] == 1


def test_the_first_that_is_required_of_a_source_is_known() -> None:
    waiting = Waiting(9)
    waiting.put(event_parcel(5, "yard"), droppable=False)
    waiting.put(frame_parcel(0), droppable=False)
    waiting.put(frame_parcel(1), droppable=False)
    assert (waiting.first_kept("gate"), waiting.first_kept("yard"), waiting.first_kept("roof")) == (0, 5, None)
    waiting.take(2)
    waiting.settle()
    waiting.settle()
    assert (waiting.first_kept("gate"), waiting.first_kept("yard")) == (1, None)
