"""A recording waits for what is required, and for nothing else; a restart sends no more again than it must."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import PeerError
from pipeline.messages import EndOfSource
from stages.annotator import writer as module
from stages.annotator.couriers.courier import Courier
from stages.annotator.couriers.note import Note
from stages.annotator.couriers.pauses import Pauses
from stages.annotator.couriers.posting import CameraPosting, RecordingPosting
from stages.annotator.sinks.null import NullSink
from stages.annotator.writer import Writer
from tests.pipeline.broker_steps import wait_for
from tests.stages.annotator.couriers.parcels import RUN, event, with_event
from tests.stages.annotator.couriers.test_courier import Post
from tests.stages.annotator.desk import SOURCE, Desk
from tests.stages.annotator.disk_sink import Disk, DiskSink


class Office:
    """A courier, and its ends at a recording; `folder` survives."""

    def __init__(self, folder: Path, queue: int = 100) -> None:
        self.folder, self.queue, self.couriers = folder, queue, list[Courier]()

    def open(self, post: Post, *, required: bool = True) -> RecordingPosting:
        courier = Courier(NullSink(queue=self.queue), post.connect, post.bury, Pauses(lambda: -0.99))
        self.couriers.append(courier)
        note = Note(self.folder, SOURCE, "null")
        return RecordingPosting(courier, note, SOURCE, "both", RUN, required=required)

    def close(self) -> None:
        for courier in self.couriers:
            courier.close(5)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(module, "_FLUSH_S", -1.0)
    desk = Desk()
    desk.begin()
    return desk


def desk_writer(desk: Desk, disk: Disk, posting: RecordingPosting) -> Writer:
    sinks = {"disk": DiskSink(disk, needs_pixels=False)}
    return Writer(desk.broker, desk.store, SOURCE, sinks, 0, postings=[posting])


def is_finished(desk: Desk, writer: Writer) -> bool:
    desk.feed(writer)
    return writer.finished


def test_a_frame_is_durable_once_the_peer_has_answered_for_it_and_all_before(office: Office) -> None:
    post = Post()
    post.open_gate.clear()
    posting = office.open(post)
    posting.write(with_event(0), None)
    posting.write(with_event(1), None)
    posting.flush()
    assert (posting.done, posting.durable) == (1, -1)
    post.open_gate.set()
    wait_for(lambda: posting.progress().seq == 1)
    assert posting.durable == -1, "not noted yet"
    posting.flush()
    assert posting.durable == 1 and posting.progress().sent == 4 and post.got == [0, 0, 1, 1]


def test_a_restart_goes_on_behind_what_was_noted(office: Office) -> None:
    first, second = Post(), Post()
    posting = office.open(first)
    for seq in range(3):
        posting.write(with_event(seq), None)
    wait_for(lambda: posting.progress().seq == 2)
    posting.flush()
    again = office.open(second)
    assert again.done == again.durable == 2
    for seq in range(5):
        again.write(with_event(seq), None)
    wait_for(lambda: again.progress().seq == 4)
    assert second.got == [3, 3, 4, 4] and again.progress().sent == 10


def test_what_best_effort_had_not_sent_when_it_died_is_counted_as_missed(office: Office) -> None:
    dead = Post()
    dead.open_gate.clear()
    posting = office.open(dead, required=False)
    for seq in range(3):
        posting.write(with_event(seq), None)
    posting.flush()
    assert posting.durable == 2, "nobody waits for it"
    assert office.open(Post(), required=False).progress().missed == 6
    dead.open_gate.set()


def test_a_required_peer_that_is_away_holds_the_recording_back_and_loses_nothing(
    desk: Desk, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.queue = 4
    post, disk = Post(), Disk()
    post.open_gate.clear()
    posting = office.open(post)
    writer = Writer(
        desk.broker, desk.store, SOURCE, {"disk": DiskSink(disk, needs_pixels=False)}, 0, None, None, [posting]
    )
    desk.publish(*range(40))
    desk.publish_end(40)
    for _ in range(20):
        desk.feed(writer)
    assert len(disk.written) < 12 and not writer.hungry and not writer.finished
    post.open_gate.set()
    wait_for(lambda: is_finished(desk, writer))
    assert disk.seqs == post.got == list(range(40))
    assert desk.standing.number("sent.null", 0) == 40 and desk.positions() == (39, 39)


def test_best_effort_holds_nobody_back_but_for_a_moment_at_the_end(
    desk: Desk, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.annotator.couriers.posting._LAST_TRY_S", 0.05)
    office.queue = 4
    disk = Disk()
    posting = office.open(Post(failures=[PeerError("away") for _ in range(100_000)]), required=False)
    writer = Writer(
        desk.broker, desk.store, SOURCE, {"disk": DiskSink(disk, needs_pixels=False)}, 0, None, None, [posting]
    )
    desk.publish(*range(40))
    desk.publish_end(40)
    wait_for(lambda: is_finished(desk, writer))
    assert disk.seqs == list(range(40)) and desk.positions() == (39, 39)
    assert desk.standing.number("missed.null", 0) + desk.standing.number("sent.null", 0) >= 36


def test_the_end_brings_its_events(office: Office) -> None:
    post = Post()
    posting = office.open(post)
    end = EndOfSource(SOURCE, 1, 3, events=(event(2), event(2, 1)))
    wait_for(lambda: posting.is_over(end))
    assert post.got == [2, 2]


def test_a_camera_waits_for_nobody_and_its_counts_add_up(office: Office) -> None:
    office.queue = 10
    post = Post(refuses={49})
    post.open_gate.clear()
    office.open(post)
    camera = CameraPosting(office.couriers[0], "gate", "both", RUN)
    for seq in range(50):
        camera.write("segment", with_event(seq), None)
    post.open_gate.set()
    wait_for(lambda: sum(camera.told().values()) == 100)
    assert {seq for _, seq, _ in post.buried} == {49} and camera.missed >= 60
    assert post.got == sorted(post.got) and post.got[-1] == 48, "the newest come at last"
