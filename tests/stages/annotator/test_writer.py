"""A writer feeds its sinks every frame in order, whatever becomes of pixels, positions and its own process."""

from collections.abc import Sequence
from typing import Final

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import keys
from stages.annotator import pixels
from stages.annotator import writer as module
from stages.annotator.sink import Sink
from stages.annotator.writer import Writer
from tests.stages.annotator.desk import Desk
from tests.stages.annotator.disk_sink import Disk, DiskSink, Written

ALWAYS_S: Final = -1.0
NEVER_S: Final = 1e9


@pytest.fixture(autouse=True)
def _all_log_lines() -> None:
    structlog.reset_defaults()  # a command that ran in this process may have left out the lesser ones


@pytest.fixture(autouse=True)
def _flushing_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FLUSH_S", ALWAYS_S)
    monkeypatch.setattr(pixels, "_DOUBT_EVERY_S", 0.0)


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.begin()
    return made


def opened(desk: Desk, disk: Disk, lag: int = 0, retain: int = 0) -> Writer:
    return desk.writer({"disk": DiskSink(disk, lag=lag)}, retain)


def settle(desk: Desk, writer: Writer) -> None:
    """Feed as often as it takes to ask for the epoch, then for the pixels."""
    for _ in range(4):
        desk.feed(writer)


def test_frames_are_written_in_order_each_with_its_own_picture(desk: Desk) -> None:
    disk = Disk()
    desk.store_pixels(*range(10))
    desk.publish(*range(10))
    desk.feed(opened(desk, disk))
    assert disk.written == [Written(seq, seq, None) for seq in range(10)]
    assert desk.positions() == (9, 9)


def test_done_is_what_needs_no_pixels_and_durable_what_is_on_disk_of_the_slowest_sink(desk: Desk) -> None:
    sinks: dict[str, Sink] = {"video": DiskSink(Disk(), lag=3), "text": DiskSink(Disk(), needs_pixels=False, lag=1)}
    desk.store_pixels(*range(10))
    desk.publish(*range(10))
    desk.feed(desk.writer(sinks))
    assert desk.positions() == (9, 6)


def test_done_moves_on_though_nothing_is_flushed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = opened(desk, Disk(), lag=100)
    monkeypatch.setattr(module, "_FLUSH_S", NEVER_S)
    desk.store_pixels(*range(16))
    desk.publish(*range(16))
    desk.feed(writer)
    assert desk.positions() == (15, -1)


def test_it_waits_for_pixels_that_are_on_their_way(desk: Desk) -> None:
    disk = Disk()
    writer = opened(desk, disk)
    desk.publish(0, 1, 2)
    desk.store_pixels(0)
    desk.feed(writer)
    assert disk.seqs == [0] and not writer.hungry
    desk.store_pixels(1, 2)
    desk.feed(writer)
    assert disk.seqs == [0, 1, 2]
    assert desk.standing.rewinds == 0


def test_without_a_sink_that_draws_no_pixels_are_asked_for(desk: Desk) -> None:
    disk = Disk()
    desk.publish(0, 1)
    desk.feed(desk.writer({"text": DiskSink(disk, needs_pixels=False)}))
    assert disk.written == [Written(0, None, None), Written(1, None, None)]


def test_a_frame_that_could_not_be_decoded_is_written_without_a_picture(desk: Desk) -> None:
    disk = Disk()
    desk.store_pixels(0)
    desk.store_pixels(1, broken=True)
    desk.store_pixels(2)
    desk.publish(0)
    desk.publish(1, error="damaged")
    desk.publish(2, error="the engine refused it")
    desk.feed(opened(desk, disk))
    assert disk.written == [Written(0, 0, None), Written(1, None, "damaged"), Written(2, 2, "the engine refused it")]
    assert desk.standing.rewinds == 0


def test_the_end_gives_every_output_its_final_form(desk: Desk) -> None:
    disks = [Disk(), Disk()]
    sinks: dict[str, Sink] = {str(number): DiskSink(disk, lag=2) for number, disk in enumerate(disks)}
    desk.store_pixels(0, 1, 2)
    desk.publish(0, 1, 2)
    desk.publish_end(3, "the file ends early")
    writer = desk.writer(sinks)
    desk.feed(writer)
    assert writer.finished
    assert [(disk.seqs, disk.end) for disk in disks] == [([0, 1, 2], (3, "the file ends early"))] * 2
    assert desk.standing.finished((keys.ANNOTATOR,)) and desk.positions() == (2, 2)
    assert [desk.standing.number(f"written.{number}", 0) for number in range(2)] == [3, 3]
    writer.close()
    assert all(isinstance(sink, DiskSink) and sink.closed == 0 for sink in sinks.values())


def test_closed_before_the_end_it_leaves_its_outputs_as_far_as_they_go(desk: Desk) -> None:
    disk = Disk()
    desk.store_pixels(0, 1)
    desk.publish(0, 1)
    writer = opened(desk, disk, lag=5)
    desk.feed(writer)
    assert disk.seqs == []
    writer.close()
    assert disk.seqs == [0, 1] and disk.end is None


def test_a_damaged_entry_is_passed_over_with_a_log_line(desk: Desk) -> None:
    disk = Disk()
    desk.store_pixels(0, 1)
    desk.publish(0)
    desk.publish_body(1, b"\xc1 rubbish")
    desk.publish_end(2)
    with structlog.testing.capture_logs() as lines:
        desk.feed(opened(desk, disk))
    assert disk.seqs == [0] and disk.end == (2, None)
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert (line["event"], line["source"], line["id"]) == ("damaged entry", "gate", "1040-1")


def test_after_a_death_between_done_and_durable_the_pixels_of_a_new_epoch_are_asked_for_once(desk: Desk) -> None:
    disk = Disk()
    desk.store_pixels(*range(10))
    desk.publish(*range(10))
    desk.feed(opened(desk, disk, lag=4))
    assert desk.positions() == (9, 5)
    again = opened(desk, disk)  # the one before is dead
    assert desk.positions() == (5, 5)
    assert desk.standing.rewinds == 1
    desk.begin()
    desk.feed(again)
    assert disk.seqs == [*range(6)]
    desk.store_pixels(6, 7)
    desk.feed(again)
    desk.store_pixels(8, 9)
    desk.feed(again)
    assert disk.written == [Written(seq, seq, None) for seq in range(10)]
    assert desk.standing.rewinds == 1


def test_after_a_death_with_everything_durable_nothing_is_asked_for(desk: Desk) -> None:
    disk = Disk()
    desk.store_pixels(*range(5))
    desk.publish(*range(5))
    desk.feed(opened(desk, disk))
    desk.feed(opened(desk, disk))
    assert (desk.positions(), desk.standing.rewinds) == ((4, 4), 0)
    assert disk.seqs == [*range(5)]


def test_where_no_sink_draws_nothing_is_asked_for(desk: Desk) -> None:
    desk.publish(*range(5))
    desk.feed(desk.writer({"text": DiskSink(Disk(), needs_pixels=False, lag=3)}))
    desk.writer({"text": DiskSink(Disk(), needs_pixels=False)})
    assert desk.standing.rewinds == 0


def test_outputs_of_an_earlier_run_say_where_it_was_though_the_broker_has_forgotten() -> None:
    disk = Disk([Written(seq, seq, None) for seq in range(4)])
    desk = Desk()
    desk.begin()
    opened(desk, disk)
    assert (desk.positions(), desk.standing.rewinds) == ((3, 3), 0)


def test_pixels_that_were_overwritten_are_asked_for_once_an_epoch(desk: Desk) -> None:
    disk = Disk()
    writer = opened(desk, disk)
    desk.store_pixels(*range(40))  # the first ones are gone
    desk.publish(0, 1)
    settle(desk, writer)
    assert desk.standing.rewinds == 1 and disk.seqs == []
    desk.begin()
    desk.store_pixels(0)
    settle(desk, writer)
    assert disk.seqs == [0]
    desk.store_pixels(*range(1, 40))
    settle(desk, writer)
    assert desk.standing.rewinds == 2
    desk.begin()
    desk.store_pixels(1)
    settle(desk, writer)
    assert disk.written == [Written(0, 0, None), Written(1, 1, None)]


def test_a_new_epoch_of_a_decoder_that_died_is_found_without_asking(desk: Desk) -> None:
    disk = Disk()
    writer = opened(desk, disk)
    desk.publish(0, 1)
    desk.begin()
    desk.feed(writer)
    desk.store_pixels(0, 1)
    desk.feed(writer)
    assert disk.seqs == [0, 1] and desk.standing.rewinds == 0


def test_pixels_that_went_with_a_whole_epoch_are_waited_for(desk: Desk) -> None:
    disk = Disk()
    desk.epoch = desk.ledger.begin_epoch()
    desk.publish(0, 1)
    desk.ledger.write({"ended_epoch": desk.epoch})
    writer = opened(desk, disk)
    desk.ledger.begin_epoch()  # its decoder ends the epoch before it removes the pixels
    settle(desk, writer)
    assert disk.seqs == []
    desk.begin()
    desk.store_pixels(0, 1)
    settle(desk, writer)
    assert disk.written == [Written(0, 0, None), Written(1, 1, None)]


def test_pixels_that_a_changed_source_has_no_more_are_done_without(desk: Desk) -> None:
    disk = Disk()
    writer = opened(desk, disk)
    desk.publish(0, 1, 2, 3)
    desk.publish_end(4, "the file is damaged now")
    desk.begin()
    desk.store_pixels(0)
    settle(desk, writer)
    assert disk.seqs == [0]
    desk.store_pixels(1)
    desk.ledger.write({"ended_epoch": desk.epoch})
    with structlog.testing.capture_logs() as lines:
        settle(desk, writer)
    assert disk.written == [Written(0, 0, None), Written(1, 1, None), Written(2, None, None), Written(3, None, None)]
    assert disk.end == (4, "the file is damaged now")
    assert [line["seq"] for line in lines if line["log_level"] == "warning"] == [2, 3]


def test_pixels_of_a_source_that_is_gone_are_done_without_whichever_epoch_was_waited_for(desk: Desk) -> None:
    disk = Disk()
    writer = opened(desk, disk)
    desk.publish(0, 1)
    desk.publish_end(2, "the file is gone")
    desk.ledger.begin_epoch()
    settle(desk, writer)  # waits for this one, which never stores anything
    last = desk.ledger.begin_epoch()
    desk.ledger.write({"ended_epoch": last})
    settle(desk, writer)
    assert disk.written == [Written(0, None, None), Written(1, None, None)]
    assert disk.end == (2, "the file is gone")


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.integers(0, 6),
    st.integers(0, 10),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
@settings(deadline=None)
def test_what_is_not_durable_or_granted_to_late_readers_is_never_trimmed(
    steps: Sequence[int], lag: int, retain: int, dies: Sequence[bool]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FLUSH_S", ALWAYS_S)
        disk, desk, seq = Disk(), Desk(), 0
        desk.begin(slots=100)
        writer = opened(desk, disk, lag, retain)
        for count, death in zip(steps, dies, strict=False):
            desk.store_pixels(*range(seq, seq + count))
            desk.publish(*range(seq, seq + count))
            seq += count
            desk.feed(writer)
            durable = desk.positions()[1]
            oldest = min(durable + 1, max(durable - retain, 0), seq)
            assert set(range(oldest, seq)) <= set(desk.retained())
            assert len(desk.retained()) <= seq - durable + retain + 1
            if death:
                writer = opened(desk, disk, lag, retain)
        desk.publish_end(seq)
        desk.feed(writer)
        assert disk.seqs == [*range(seq)] and disk.end == (seq, None)
        assert set(range(max(seq - retain, 0), seq + 1)) <= set(desk.retained())
