"""A camera's outputs go on whatever happens to one of them, to the pixels, or to the process that writes them."""

import json
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pipeline import keys
from pipeline.errors import SinkError
from pipeline.retention import Retention
from stages.annotator import live_writer as module
from stages.annotator.live_writer import LiveWriter
from stages.annotator.opening import Opening
from stages.annotator.settings import AnnotatorSettings
from stages.annotator.sinks.jsonl import JsonlSink
from stages.annotator.sinks.video import VideoSink
from tests.clips import times
from tests.stages.annotator.shelf import NOON_S, SOURCE, Shelf, Street

FOREVER_S = 1e9


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.reset_defaults()  # a command that ran in this process may have left out the lesser log lines
    monkeypatch.setattr(module, "_FLUSH_S", -1.0)
    monkeypatch.setattr("stages.annotator.live_output._RETRY_S", 0.0)


@pytest.fixture
def street() -> Street:
    return Street()


def test_every_frame_is_written_once_in_order_with_its_picture(street: Street) -> None:
    text, video = Shelf(), Shelf(needs_pixels=True)
    writer = street.writer({"text": text, "video": video})
    street.show(0, 1, 2)
    street.feed(writer)
    street.show(3)
    street.feed(writer)
    assert text.all == video.all == video.colours == [0, 1, 2, 3]
    assert street.numbers("done.annotator", "durable.annotator", "written.text", "written.video") == [3, 3, 4, 4]
    assert street.numbers("missed.text", "missed.video", "lost") == [0, 0, 0] and writer.hungry


def test_without_a_video_no_pixels_are_asked_for(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(street.store, "full", None)
    text = Shelf()
    street.show(0, 1)
    street.feed(street.writer({"text": text}))
    assert text.all == [0, 1] and text.colours == [None, None]


def test_segments_end_at_round_times_and_get_their_final_form(street: Street) -> None:
    text, video = Shelf(), Shelf(needs_pixels=True)
    writer = street.writer({"text": text, "video": video}, 10.0)
    for seq in range(25):
        street.publish(seq, at_s=NOON_S + 5 + seq)
    street.feed(writer)
    names = ["gate-20240501T120005Z", "gate-20240501T120010Z", "gate-20240501T120020Z"]
    assert {name: len(seqs) for name, seqs in text.seqs.items()} == dict(zip(names, (5, 10, 10), strict=True))
    assert text.seqs == video.seqs and text.finished == video.finished == names[:2]
    assert json.loads(street.standing.text("segments")) == names


def test_a_camera_that_was_away_for_long_begins_a_segment_where_it_comes_back(street: Street) -> None:
    text = Shelf()
    writer = street.writer({"text": text}, 10.0)
    street.publish(0)
    street.publish(1, at_s=NOON_S + 12_345)
    street.feed(writer)
    assert text.seqs == {"gate-20240501T120000Z": [0], "gate-20240501T152545Z": [1]}


@pytest.mark.parametrize("act", ["open", "write", "flush"])
def test_an_output_that_fails_stops_no_other_is_told_of_and_tried_again(street: Street, act: str) -> None:
    text, video = Shelf(), Shelf(needs_pixels=True)
    writer = street.writer({"text": text, "video": video})
    if act != "open":
        street.show(0)
        street.feed(writer)
    video.refuses = act
    with capture_logs() as lines:
        street.show(*range(1, 4))
        street.feed(writer)
    video.refuses = ""
    street.show(4, 5)
    street.feed(writer)
    assert text.all == [*([] if act == "open" else [0]), 1, 2, 3, 4, 5]
    assert video.all[-2:] == [4, 5]
    assert {(line["event"], line["kind"]) for line in lines} == {("output fails", "video")}
    written, missed = street.numbers("written.video", "missed.video")
    assert written == len(video.all) and written + missed == len(text.all)
    assert street.numbers("missed.text") == [0]


def test_it_is_not_tried_at_every_frame(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.annotator.live_output._RETRY_S", FOREVER_S)
    text, video = Shelf(), Shelf(needs_pixels=True, refuses="write")
    writer = street.writer({"text": text, "video": video})
    with capture_logs() as lines:
        street.show(*range(50))
        street.feed(writer)
    assert video.opened == 1 and len(lines) == 1
    assert street.numbers("written.video", "missed.video", "written.text") == [0, 50, 50]


@pytest.mark.parametrize("act", ["finish", "close"])
@pytest.mark.parametrize("first", [True, False])
def test_one_that_can_not_be_ended_keeps_no_other_from_it(street: Street, act: str, first: bool) -> None:
    bad, good = Shelf(refuses=act), Shelf()
    shelves = {"bad": bad, "good": good} if first else {"good": good, "bad": bad}
    writer = street.writer(shelves, 10.0)
    street.show(0)
    street.feed(writer)
    if act == "finish":
        street.publish(1, at_s=NOON_S + 100)
        street.feed(writer)
        assert good.finished == ["gate-20240501T120000Z"] and good.all == bad.all == [0, 1]
    writer.close()
    assert good.closed == 1 and street.numbers("done.annotator") == [0 if act == "close" else 1]


def test_pixels_that_are_gone_are_missed_by_who_draws_and_counted(street: Street) -> None:
    text, video = Shelf(), Shelf(needs_pixels=True)
    writer = street.writer({"text": text, "video": video})
    street.publish(0)
    street.publish(1, stored=False)
    street.publish(2)
    street.feed(writer)
    assert text.all == [0, 1, 2] and video.all == video.colours == [0, 2]
    assert street.numbers("written.video", "missed.video", "missed.text") == [2, 1, 0]


def test_a_frame_in_which_nothing_moved_never_had_a_picture_and_is_not_missed(street: Street) -> None:
    text, video = Shelf(), Shelf(needs_pixels=True)
    writer = street.writer({"text": text, "video": video})
    street.publish(0)
    street.publish(1, stored=False, skipped="motion")
    street.feed(writer)
    assert text.all == [0, 1] and video.all == [0]
    assert street.numbers("written.video", "missed.video", "missed.text") == [1, 0, 0]


def test_frames_of_an_epoch_whose_pixels_went_with_it_are_missed(street: Street) -> None:
    video = Shelf(needs_pixels=True)
    writer = street.writer({"video": video})
    street.show(0, 1)
    street.begin()
    street.show(2)
    street.feed(writer)
    assert video.all == [2] and street.numbers("missed.video") == [2]


def test_what_was_trimmed_before_it_came_to_it_is_counted_as_lost(street: Street) -> None:
    text = Shelf()
    writer = street.writer({"text": text})
    street.publish(0)
    street.publish(5, dropped_before=4)
    street.publish(9, dropped_before=1)  # 6 or 7 was published too, and is gone
    with capture_logs() as lines:
        street.feed(writer)
    assert text.all == [0, 5, 9] and street.numbers("lost") == [2]
    assert [(line["event"], line["frames"]) for line in lines] == [("outputs fell behind", 2)]


def test_a_damaged_entry_is_passed_over(street: Street) -> None:
    text = Shelf()
    writer = street.writer({"text": text})
    street.publish(0)
    street.rubbish()
    street.publish(1)
    with capture_logs() as lines:
        street.feed(writer)
    assert text.all == [0, 1] and [line["event"] for line in lines] == ["damaged entry"]


def test_the_end_gives_all_their_final_form_and_says_so(street: Street) -> None:
    text, video = Shelf(), Shelf(needs_pixels=True)
    writer = street.writer({"text": text, "video": video})
    street.show(0, 1)
    street.end(2)
    street.feed(writer)
    assert writer.finished and text.finished == video.finished == ["gate-20240501T120000Z"]
    assert street.standing.finished((keys.ANNOTATOR,)) and street.numbers("done.annotator") == [1]


def test_a_camera_that_comes_back_after_its_end_is_not_finished(street: Street) -> None:
    text = Shelf()
    writer = street.writer({"text": text})
    street.show(0, 1)
    street.end(2)
    street.feed(writer)
    street.begin()
    assert not street.standing.finished((keys.ANNOTATOR,))
    again = street.writer({"text": text})
    street.show(2, 3)
    street.feed(again)
    assert text.all == [0, 1, 2, 3]
    assert not again.finished
    street.end(4)
    street.feed(again)
    assert street.standing.finished((keys.ANNOTATOR,))


def test_an_end_that_is_over_ends_nothing(street: Street) -> None:
    text = Shelf()
    writer = street.writer({"text": text})
    street.show(0)
    street.end(1)
    street.begin()
    street.show(1)
    street.feed(writer)
    assert not writer.finished and text.all == [0, 1] and text.finished == []


def test_numbers_that_begin_anew_are_written_into_a_segment_of_their_own(street: Street) -> None:
    text = Shelf()
    writer = street.writer({"text": text})
    street.show(500, 501)
    street.feed(writer)
    street.broker.hashes.pop(keys.ledger(SOURCE))
    street.begin()
    street.publish(0, at_s=NOON_S + 600)
    street.feed(writer)
    street.publish(1, at_s=NOON_S + 601)
    street.feed(writer)
    assert text.seqs == {"gate-20240501T120820Z": [500, 501], "gate-20240501T121000Z": [0, 1]}
    assert text.finished == ["gate-20240501T120820Z"]


def test_a_frame_of_the_past_is_not_written_again(street: Street) -> None:
    text = Shelf()
    writer = street.writer({"text": text})
    street.show(0, 1, 2)
    street.publish(1)
    street.show(3)
    street.feed(writer)
    assert text.all == [0, 1, 2, 3]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.lists(st.booleans(), min_size=8, max_size=8))
def test_over_restarts_each_frame_is_written_once(counts: list[int], dies: list[bool]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FLUSH_S", -1.0)
        street, text, seq = Street(), Shelf(), 0
        writer = street.writer({"text": text}, 10.0)
        for count, death in zip(counts, dies, strict=False):
            street.show(*range(seq, seq + count))
            seq += count
            street.feed(writer)
            if death:
                writer = street.writer({"text": text}, 10.0, after=seq - 1)
        assert text.all == list(range(seq))


# ------------------------------------------------------------------------------------------------- with real outputs


def settings(folder: Path, **chosen: Any) -> AnnotatorSettings:
    return AnnotatorSettings(output=folder, sinks=(JsonlSink(),), **chosen)


def of_files(street: Street, chosen: AnnotatorSettings) -> LiveWriter:
    writer = Opening(street.broker, street.store, chosen, lambda _: Retention(0)).writer(SOURCE)
    assert isinstance(writer, LiveWriter)
    return writer


def opened(street: Street, folder: Path, **chosen: Any) -> LiveWriter:
    return of_files(street, settings(folder, **chosen))


def lines(folder: Path) -> list[dict[str, Any]]:
    found = [path.read_text().splitlines() for path in sorted(folder.glob("*.jsonl"))]
    return [json.loads(line) for text in found for line in text]


def test_after_a_restart_no_line_is_doubled_and_none_is_missing(street: Street, tmp_path: Path) -> None:
    first = opened(street, tmp_path)
    street.show(0, 1, 2)
    street.feed(first)
    first.close()
    street.broker.hashes.pop(keys.ledger(SOURCE))  # the files are the truth
    street.ledger.write({"epoch": street.epoch, "live": 1, "published": 2})
    street.show(3, 4)
    second = opened(street, tmp_path)
    street.feed(second)
    second.close()
    assert [line["seq"] for line in lines(tmp_path)] == [0, 1, 2, 3, 4]
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "gate-20240501T120000Z.jsonl",
        "gate-20240501T120003Z.jsonl",
    ]


def test_a_process_that_was_killed_leaves_half_a_line_and_the_next_one_goes_on(street: Street, tmp_path: Path) -> None:
    first = opened(street, tmp_path)
    street.show(0, 1)
    street.feed(first)
    first.close()
    with next(tmp_path.glob("*.jsonl")).open("a") as file:
        file.write('{"source": "gate", "se')
    street.show(2)
    second = opened(street, tmp_path)
    street.feed(second)
    second.close()
    assert [line["seq"] for line in lines(tmp_path)] == [0, 1, 2]


def test_lines_say_what_was_dropped_and_skipped(street: Street, tmp_path: Path) -> None:
    writer = opened(street, tmp_path)
    street.publish(3, dropped_before=3)
    street.publish(4, skipped="motion")
    street.feed(writer)
    writer.close()
    first, second = lines(tmp_path)
    assert (first["status"], first["dropped_before"]) == ("ok", 3)
    assert (second["status"], second["skipped"], second["dropped_before"]) == ("skipped", "motion", 0)


def test_the_video_of_a_process_that_was_killed_gets_its_final_form(street: Street, tmp_path: Path) -> None:
    both = AnnotatorSettings(output=tmp_path, sinks=(JsonlSink(), VideoSink(preset="ultrafast")))
    first = of_files(street, both)
    street.show(*range(15))
    street.feed(first)
    first.close()
    assert (tmp_path / "gate-20240501T120000Z.mp4.part").exists()
    street.show(15, 16)
    second = of_files(street, both)
    street.feed(second)
    street.end(17)
    street.feed(second)
    assert second.finished
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "gate-20240501T120000Z.jsonl",
        "gate-20240501T120000Z.mp4",
        "gate-20240501T120015Z.jsonl",
        "gate-20240501T120015Z.mp4",
    ]


def test_a_video_goes_on_in_its_own_time_when_the_camera_is_connected_to_again(street: Street, tmp_path: Path) -> None:
    both = AnnotatorSettings(output=tmp_path, sinks=(VideoSink(preset="ultrafast"),))
    writer = of_files(street, both)
    for seq in range(4):
        street.publish(seq, pts_s=500.0 + seq)
    for seq in range(4, 8):
        street.publish(seq, at_s=NOON_S + 10 + seq, pts_s=float(seq - 4))  # its clock begins anew
    street.end(8)
    street.feed(writer)
    assert times(tmp_path / "gate-20240501T120000Z.mp4") == pytest.approx([0, 1, 2, 3, 14, 15, 16, 17], abs=0.01)


def test_what_is_left_and_can_not_be_ended_keeps_nobody_from_going_on(
    street: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(street, tmp_path)
    street.show(0)
    street.feed(first)
    first.close()
    build = JsonlSink.build

    def full(sink: JsonlSink, folder: Path, source: str) -> Any:
        if source == "gate-20240501T120000Z":
            raise SinkError(f"{source} can't be written: the disk is full")
        return build(sink, folder, source)

    monkeypatch.setattr(JsonlSink, "build", full)
    street.show(1)
    with capture_logs() as told:
        second = opened(street, tmp_path)
    street.feed(second)
    second.close()
    assert [line["seq"] for line in lines(tmp_path)] == [0, 1]
    assert [(line["event"], line["log_level"]) for line in told] == [("output fails", "error")]
