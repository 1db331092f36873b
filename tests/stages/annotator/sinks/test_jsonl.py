import json
import random
import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from pipeline.errors import SinkError
from stages.annotator.sink import Counts, Sink
from stages.annotator.sinks.jsonl import JsonlSink, JsonlWriter
from tests.stages.annotator.frames import failed, found, meta

Open: TypeAlias = Callable[[Path], JsonlWriter]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens sinks that are closed when the test is over."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(closing(JsonlSink().build(folder, "gate")))


def write(sink: JsonlWriter, frames: range) -> None:
    for seq in frames:
        sink.write(failed(seq) if seq % 10 == 7 else found(seq, objects=seq % 4), None)


def undisturbed(folder: Path, opened: Open) -> bytes:
    sink = opened(folder)
    write(sink, range(50))
    sink.finish(50, None)
    return (folder / "gate.jsonl").read_bytes()


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Let no file grow beyond the limit: a disk that fills, but for the number of the error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_line_is_what_other_programs_rely_on(tmp_path: Path, opened: Open) -> None:
    sink: Sink = opened(tmp_path)
    sink.write(found(1, pts_s=0.0801), None)
    sink.close()
    line = (tmp_path / "gate.jsonl").read_text()
    boxes = [[round(value, 2) for value in box] for box in found(1).xyxy.tolist()]
    confidences = [round(value, 4) for value in found(1).confidence.tolist()]
    assert line == (
        '{"source":"gate","seq":1,"pts_s":0.0801,"timestamp":"2018-04-19T22:46:00.080Z","width":64,"height":48,'
        '"status":"ok","detections":['
        f'{{"xyxy":{json.dumps(boxes[0], separators=(",", ":"))},"confidence":{confidences[0]},'
        '"class_id":0,"class_name":"car","tracker_id":null},'
        f'{{"xyxy":{json.dumps(boxes[1], separators=(",", ":"))},"confidence":{confidences[1]},'
        '"class_id":1,"class_name":"person","tracker_id":0}]}\n'
    )


def test_a_failed_frame_says_why(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    sink.write(failed(0), None)
    line = json.loads((tmp_path / "gate.jsonl").read_text())
    assert (line["status"], line["error"], line["detections"]) == ("failed", "can't be decoded", [])


def test_the_first_line_is_there_at_once_and_durable(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    assert (sink.done, sink.durable) == (-1, -1)
    sink.write(found(0), None)
    assert (tmp_path / "gate.jsonl").read_text().count("\n") == 1
    assert (sink.done, sink.durable) == (0, 0)


def test_what_was_written_becomes_durable_by_time_or_by_flush(tmp_path: Path) -> None:
    now_s = [0.0]
    sink = JsonlWriter(tmp_path / "gate.jsonl", clock=lambda: now_s[0])
    write(sink, range(5))
    assert (sink.done, sink.durable) == (4, 0)
    now_s[0] = 0.25
    sink.write(found(5), None)
    assert sink.durable == 5
    sink.write(found(6), None)
    sink.flush()
    assert sink.durable == 6
    sink.close()


def test_cut_at_any_byte_it_continues_to_the_same_bytes(tmp_path: Path, opened: Open) -> None:
    whole = undisturbed(tmp_path / "whole", opened)
    path = tmp_path / "cut" / "gate.jsonl"
    path.parent.mkdir()
    pick = random.Random(1)
    for size in [0, 1, len(whole) - 1, *(pick.randrange(len(whole)) for _ in range(100))]:
        path.write_bytes(whole[:size])
        sink = opened(path.parent)
        assert sink.durable == sink.done == whole[:size].count(b"\n") - 1
        write(sink, range(max(0, sink.durable - 3), 50))
        sink.finish(50, None)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("tail", [b"\0" * 100, b'{"seq":50}\n', b'{"seq":3,"status":"ok","detections":[]}\n', b"[]\n"])
def test_a_damaged_end_is_cut_off(tmp_path: Path, opened: Open, tail: bytes) -> None:
    whole = undisturbed(tmp_path, opened)
    with (tmp_path / "gate.jsonl").open("ab") as file:
        file.write(tail)
    sink = opened(tmp_path)
    assert sink.durable == 49
    sink.close()
    assert (tmp_path / "gate.jsonl").read_bytes() == whole


def test_counts_include_what_an_earlier_process_wrote(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(20))
    sink.close()
    sink = opened(tmp_path)
    assert sink.counts() == Counts(20, 2, sum(seq % 4 for seq in range(20) if seq % 10 != 7))


def test_closing_twice_or_after_the_end_is_harmless(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(3))
    sink.finish(3, None)
    sink.close()
    assert (sink.done, sink.durable) == (2, 2)


def test_two_processes_cannot_write_the_same_file(tmp_path: Path, opened: Open) -> None:
    first = opened(tmp_path)
    with pytest.raises(SinkError, match=r"gate.jsonl is being written by another process"):
        opened(tmp_path)
    first.close()
    opened(tmp_path).close()


def test_a_full_disk_is_one_clear_line_and_leaves_whole_lines(tmp_path: Path, opened: Open) -> None:
    whole = undisturbed(tmp_path / "whole", opened)
    sink = opened(tmp_path)
    with full_disk(len(whole) // 2), pytest.raises(SinkError) as raised:
        write(sink, range(50))
    assert "gate.jsonl can't be written" in str(raised.value) and "\n" not in str(raised.value)
    left = (tmp_path / "gate.jsonl").read_bytes()
    assert left.endswith(b"\n") and whole.startswith(left)
    write(sink, range(50))
    sink.finish(50, None)
    assert (tmp_path / "gate.jsonl").read_bytes() == whole


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match=r"gate.jsonl can't be written \(Not a directory\)|File exists"):
        opened(tmp_path / "file")


def test_a_timestamp_is_the_nearest_millisecond_or_null(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    sink.write(found(0, pts_s=0.0799996), None)
    sink.write(type(found(1)).none(type(meta(1))("gate", 0, 1, 0.08, 64, 48)), None)
    stamps = [json.loads(line)["timestamp"] for line in (tmp_path / "gate.jsonl").read_text().splitlines()]
    assert stamps == ["2018-04-19T22:46:00.080Z", None]
