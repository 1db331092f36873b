"""A camera's events in its segments: with their pictures, and those that its end brings."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from pipeline import keys
from pipeline.messages import EndOfSource, Event, MinuteCounts
from pipeline.wire import encode_public
from stages.annotator.live_writer import LiveWriter
from stages.annotator.sinks.events import EventsSink
from tests.stages.annotator.shelf import SOURCE, Street


def event(street: Street, seq: int, *, snapshot: bool = False) -> Event:
    name = f"{seq}000-{seq}-0"
    picture = f"{SOURCE}.events/{name}.jpg" if snapshot else None
    return Event(f"{SOURCE}/{name}", "enter", SOURCE, street.epoch, seq, float(seq), snapshot=picture)


def written(folder: Path, kind: str) -> dict[str, list[Any]]:
    files = sorted(folder.glob(f"*.{kind}.jsonl"))
    found = {path.name.split(".")[0]: [json.loads(line) for line in path.read_text().splitlines()] for path in files}
    return {name: rows for name, rows in found.items() if rows}


def writer(street: Street, folder: Path) -> LiveWriter:
    return LiveWriter(street.broker, street.store, SOURCE, {"events": partial(EventsSink().build, folder)}, 10.0, -1)


def test_events_are_in_the_segment_of_their_frame_with_a_picture_where_one_is_wanted(tmp_path: Path) -> None:
    street = Street()
    ours = writer(street, tmp_path)
    street.publish(0)
    street.publish(3, events=(event(street, 3, snapshot=True),))
    street.publish(12, events=(event(street, 12),), minutes=(MinuteCounts(SOURCE, 60.0, 5),))
    street.publish(13, stored=False, events=(event(street, 13, snapshot=True),))
    street.feed(ours)
    ours.close()
    segments = written(tmp_path, "events")
    assert {name: [row["seq"] for row in rows] for name, rows in segments.items()} == {
        "gate-20240501T120000Z": [3],
        "gate-20240501T120012Z": [12, 13],
    }
    assert list(written(tmp_path, "counts")) == ["gate-20240501T120012Z"]
    assert [path.name for path in (tmp_path / "gate.events").iterdir()] == ["3000-3-0.jpg"]
    assert street.numbers("written.events", "missed.events") == [4, 0]


def test_what_the_end_brings_is_written_before_the_segment_is_finished(tmp_path: Path) -> None:
    street = Street()
    ours = writer(street, tmp_path)
    street.publish(0)
    end = EndOfSource(SOURCE, street.epoch, 1, events=(event(street, 1),), minutes=(MinuteCounts(SOURCE, 0.0, 1),))
    with street.broker.transaction() as transaction:
        transaction.publish(keys.detections(SOURCE), "99-1", encode_public(end), {})
    street.feed(ours)
    assert ours.finished
    assert [len(rows) for rows in written(tmp_path, "events").values()] == [1]
    assert [len(rows) for rows in written(tmp_path, "counts").values()] == [1]


def test_a_killed_process_s_events_stay_and_the_next_one_goes_on(tmp_path: Path) -> None:
    street = Street()
    first = writer(street, tmp_path)
    street.publish(0, events=(event(street, 0),))
    street.publish(1, events=(event(street, 1),))
    street.feed(first)
    for output in first._outputs:
        output.flush()
    first._report()
    for output in first._outputs:
        output.close()
    second = writer(street, tmp_path)
    street.publish(2, events=(event(street, 2),))
    street.feed(second)
    second.close()
    assert [row["seq"] for rows in written(tmp_path, "events").values() for row in rows] == [0, 1, 2]
