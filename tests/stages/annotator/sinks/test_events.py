"""The files of events: each event and each minute once, wherever the process died; pictures of some."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.messages import Detections, EndOfSource, Event, MinuteCounts, MinuteRow
from stages.annotator.noted import Noted
from stages.annotator.sink import Concluding, Counts, Sink
from stages.annotator.sinks.events import EventsSink, EventsWriter
from stages.decoder.picture import from_bgr
from tests.stages.annotator.frames import failed, found

FRAMES = 60


def event(seq: int, number: int, epoch: int = 1, snapshot: bool = False) -> Event:
    name = f"{seq}-{number}"
    picture = f"gate.events/{name}.jpg" if snapshot else None
    return Event(f"gate/{name}", "crossed", "gate", epoch, seq, seq / 10, zone="line", snapshot=picture)


def frame(seq: int, epoch: int = 1) -> Detections:
    """Return a frame; some show something, some more than one thing, and some end a minute."""
    events = tuple(event(seq, number, epoch) for number in range({0: 2, 3: 1}.get(seq % 7, 0)))
    minutes = (MinuteCounts("gate", seq * 6.0, 10, (MinuteRow(None, "car", 1, 0.5, 1, 0),)),) if seq % 10 == 9 else ()
    return replace(failed(seq) if seq % 10 == 4 else found(seq), events=events, minutes=minutes)


END = EndOfSource("gate", 1, FRAMES, None, events=(event(FRAMES, 0),), minutes=(MinuteCounts("gate", 360.0, 1),))


def opened(folder: Path, clock: Any = lambda: 0.0) -> EventsWriter:
    return EventsWriter(folder, *EventsSink().outputs(folder, "gate"), Noted(folder, "gate.events"), clock)


def rows(folder: Path, kind: str = "events") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"gate.{kind}.jsonl").read_text().splitlines()]


def concluded(sink: EventsWriter) -> None:
    sink.conclude(END)
    sink.finish(FRAMES, None)


@pytest.fixture
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    sink = opened(folder)
    for seq in range(FRAMES):
        sink.write(frame(seq))
    concluded(sink)
    return folder


def test_a_line_is_an_event_without_what_differs_after_a_crash(whole: Path) -> None:
    found_ids = [row["id"] for row in rows(whole)]
    wanted = [told.id for seq in range(FRAMES) for told in frame(seq).events]
    assert found_ids == [*wanted, END.events[0].id]
    assert "epoch" not in rows(whole)[0] and rows(whole)[0]["zone"] == "line"


def test_a_line_is_a_minute(whole: Path) -> None:
    assert [row["start_s"] for row in rows(whole, "counts")] == [54.0, 114.0, 174.0, 234.0, 294.0, 354.0, 360.0]
    assert rows(whole, "counts")[0]["rows"] == [
        {"zone": None, "class_name": "car", "most": 1, "mean": 0.5, "entered": 1, "left": 0}
    ]


def test_it_is_a_sink_that_also_takes_the_end(tmp_path: Path) -> None:
    sink: Sink = opened(tmp_path)
    assert isinstance(sink, Concluding)
    assert (sink.done, sink.durable, sink.counts()) == (-1, -1, Counts(0))
    sink.write(frame(0), None)
    assert (sink.done, sink.durable, sink.counts()) == (0, -1, Counts(1))
    sink.flush()
    assert sink.durable == 0
    sink.close()


def test_what_was_written_is_noted_now_and_then_and_is_durable_then(tmp_path: Path) -> None:
    now = [0.0]
    sink = opened(tmp_path, lambda: now[0])
    for seq in range(5):
        sink.write(frame(seq))
    assert sink.durable == -1
    now[0] = 1.0
    sink.write(frame(5))
    assert sink.durable == 5
    sink.close()


@pytest.mark.parametrize("seed", range(25))
def test_deaths_anywhere_leave_the_same_files(seed: int, tmp_path: Path, whole: Path) -> None:
    """A process dies without closing anything; what it had written may be in the files or not, and half a line too."""
    dice = random.Random(seed)
    sink = opened(tmp_path)
    epoch = 1
    while sink.done < FRAMES - 1:
        until = min(sink.done + dice.randint(1, 20), FRAMES - 1)
        for seq in range(sink.done + 1, until + 1):
            sink.write(frame(seq, epoch))
            if dice.random() < 0.2:
                sink.flush()
        noted = (sink._noted.read(10**9, 10**9).events, sink._noted.read(10**9, 10**9).minutes)
        sink._events.close()
        sink._minutes.close()
        for kind, least in zip(("events", "counts"), noted, strict=True):
            path = tmp_path / f"gate.{kind}.jsonl"
            path.write_bytes(path.read_bytes()[: dice.randint(least, path.stat().st_size)])
        epoch += 1
        sink = opened(tmp_path)
        assert sink.counts().frames == sink.done + 1
    concluded(sink)
    again = opened(tmp_path)
    concluded(again)  # died between the end and what comes after it
    for kind in ("events", "counts"):
        assert (tmp_path / f"gate.{kind}.jsonl").read_bytes() == (whole / f"gate.{kind}.jsonl").read_bytes()


def test_files_that_somebody_cut_are_written_anew_behind_what_is_left(tmp_path: Path, whole: Path) -> None:
    sink = opened(tmp_path)
    for seq in range(30):
        sink.write(frame(seq))
    sink.close()
    path = tmp_path / "gate.events.jsonl"
    path.write_bytes(path.read_bytes()[:100])
    sink = opened(tmp_path)
    assert sink.done == -1
    for seq in range(FRAMES):
        sink.write(frame(seq))
    concluded(sink)
    assert path.read_bytes() == (whole / "gate.events.jsonl").read_bytes()


def test_a_picture_is_the_frame_as_it_is(tmp_path: Path) -> None:
    sink = opened(tmp_path)
    smooth = np.tile(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], (48, 1, 3))
    sink.write(replace(found(3), events=(event(3, 0, snapshot=True), event(3, 1))), from_bgr(smooth))
    sink.close()
    (picture,) = (tmp_path / "gate.events").iterdir()
    assert picture.name == "3-0.jpg" and rows(tmp_path)[0]["snapshot"] == "gate.events/3-0.jpg"
    shown = cv2.imread(str(picture))
    assert shown is not None and np.abs(shown.astype(int) - smooth).mean() < 3


def test_an_event_whose_picture_is_gone_is_written_without(tmp_path: Path) -> None:
    sink = opened(tmp_path)
    sink.write(replace(found(3), events=(event(3, 0, snapshot=True),)), None)
    sink.close()
    assert len(rows(tmp_path)) == 1 and not (tmp_path / "gate.events").exists()
