"""A courier sends all in order, tries again, gets past what is refused, and keeps nobody waiting."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from pipeline.errors import PeerError, RefusedError
from stages.annotator.couriers.courier import Courier
from stages.annotator.couriers.parcel import Parcel
from stages.annotator.couriers.pauses import Pauses
from stages.annotator.sinks.null import NullSink
from tests.pipeline.broker_steps import wait_for
from tests.stages.annotator.couriers.parcels import event_parcel, frame_parcel


@dataclass
class Post:
    """A peer that fails as it is told to."""

    failures: list[Exception] = field(default_factory=list)
    refuses: set[int] = field(default_factory=set)
    got: list[int] = field(default_factory=list)
    buried: list[tuple[str, int, str]] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    open_gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.open_gate.set()

    def connect(self) -> "Post":
        self.opened += 1
        return self

    def send(self, parcels: Sequence[Parcel]) -> None:
        self.open_gate.wait(20)
        if self.failures:
            raise self.failures.pop(0)
        if bad := [parcel for parcel in parcels if parcel.seq in self.refuses]:
            raise RefusedError(f"{bad[0].seq} is poison")
        self.got += [parcel.seq for parcel in parcels]

    def close(self) -> None:
        self.closed += 1

    def bury(self, sink: str, parcel: Parcel, reason: str) -> None:
        self.buried.append((sink, parcel.seq, reason))


@contextmanager
def courier(post: Post, queue: int = 100) -> Iterator[Courier]:
    carrier = Courier(NullSink(queue=queue), post.connect, post.bury, Pauses(lambda: -0.99))
    try:
        yield carrier
    finally:
        post.open_gate.set()
        carrier.close(5)


def until(ready: Callable[[], bool]) -> None:
    wait_for(ready)


def test_all_is_sent_in_order() -> None:
    post = Post()
    with courier(post) as carrier:
        for seq in range(50):
            carrier.post([frame_parcel(seq)], droppable=False)
        until(lambda: carrier.outstanding("gate") == 0)
        assert carrier.sent["gate"] == 50
    assert post.got == list(range(50)) and post.opened == post.closed == 1


@pytest.mark.parametrize("error", [PeerError("away"), ValueError("a surprise")])
def test_after_a_failure_the_same_is_sent_again_through_another_connection(error: Exception) -> None:
    post = Post(failures=[error, error])
    with courier(post) as carrier:
        carrier.post([frame_parcel(0), frame_parcel(1)], droppable=False)
        until(lambda: carrier.outstanding("gate") == 0)
    assert post.got == [0, 1] and post.opened == 3


def test_what_is_refused_is_buried_and_the_rest_goes_on() -> None:
    post = Post(refuses={1, 4})
    post.open_gate.clear()
    with courier(post) as carrier:
        for seq in range(6):
            carrier.post([frame_parcel(seq)], droppable=False)
        post.open_gate.set()
        until(lambda: carrier.outstanding("gate") == 0)
        assert carrier.refused["gate"] == 2
    assert post.got == [0, 2, 3, 5]
    assert post.buried == [("null", 1, "1 is poison"), ("null", 4, "4 is poison")]


def test_a_slow_peer_keeps_nobody_waiting_and_what_it_misses_is_counted() -> None:
    post = Post()
    post.open_gate.clear()
    with courier(post, queue=10) as carrier:
        for seq in range(100):
            carrier.post([frame_parcel(seq)], droppable=True)
        assert carrier.full and 10 <= carrier.outstanding("gate") <= 20
        post.open_gate.set()
        until(lambda: carrier.outstanding("gate") == 0)
        assert carrier.missed("gate") + carrier.sent["gate"] == 100
    assert post.got == sorted(post.got) and post.got[-1] == 99


def test_what_is_not_settled_is_known() -> None:
    post = Post()
    post.open_gate.clear()
    with courier(post) as carrier:
        carrier.post([event_parcel(3), event_parcel(8)], droppable=False)
        assert carrier.first_kept("gate") == 3
        post.open_gate.set()
        until(lambda: carrier.first_kept("gate") is None)


def test_closing_gives_up_on_a_peer_that_is_away() -> None:
    post = Post(failures=[PeerError("away", retry_after_s=200) for _ in range(9)])
    with courier(post) as carrier:
        carrier.post([frame_parcel(0)], droppable=True)
        until(lambda: post.opened == 1)
        carrier.close(5)
        assert carrier.outstanding("gate") == 1
    assert post.got == []


def test_pauses_grow_are_spread_and_obey() -> None:
    quick, slow = Pauses(lambda: 0.0), Pauses(lambda: 1.0)
    assert [quick.next_s() for _ in range(8)] == [0.25, 0.5, 1, 2, 4, 8, 15, 15]
    assert [slow.next_s() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert quick.next_s(asked_for_s=20) == 20 and quick.next_s(asked_for_s=1e9) == 300
    quick.reset()
    assert quick.next_s() == 0.25
