"""A clip of each event is a copy of the packets around it, on time, with its sound."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.messages import Detections
from stages.annotator.derived import Finished
from stages.annotator.lines import line_of
from stages.annotator.settings import AnnotatorSettings
from stages.annotator.sinks.clips import ClipsSink
from tests.clips import numbers, times, write_clip
from tests.stages.annotator.frames import meta

FPS = 25.0


def line(seq: int) -> Detections:
    return Detections.none(meta(seq, seq / FPS))


def finished(folder: Path, events: Sequence[dict[str, Any]], lines: Sequence[Detections], **videos: Path) -> Finished:
    (folder / "gate.jsonl").write_bytes(b"".join(map(line_of, lines)))
    (folder / "gate.events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return Finished(folder, "gate", "gate", folder / "gate.jsonl", **videos)


def happened(seq: int, kind: str = "crossed", **more: Any) -> dict[str, Any]:
    return {"id": f"gate/{seq}-0", "kind": kind, "pts_s": seq / FPS, "timestamp_s": 1524177960 + seq / FPS, **more}


def made(settings: ClipsSink, subject: Finished) -> list[dict[str, Any]]:
    clips = settings.derive(subject)
    for line in subject.lines.read_text().splitlines():
        clips.add(json.loads(line))
    for _ in clips.finish():
        pass
    return [json.loads(row) for row in settings.outputs(subject.folder, "gate")[0].read_text().splitlines()]


def test_a_clip_is_cut_from_the_keyframe_before_without_encoding(tmp_path: Path) -> None:
    recording = write_clip(tmp_path / "recording.mp4", 100)
    subject = finished(tmp_path, [happened(55)], [line(seq) for seq in range(100)], recording=recording)
    (row,) = made(ClipsSink(before_s=0.4, after_s=0.4), subject)
    assert (row["event"], row["at_s"]) == ("gate/55-0", 2.2)
    assert row["begins_s"] == pytest.approx(40 / FPS, abs=0.001) and row["ends_s"] == pytest.approx(2.6)
    shown, at_s = numbers(tmp_path / row["clip"]), times(tmp_path / row["clip"])
    assert shown == list(range(40, 40 + len(shown))) and 65 <= shown[-1] <= 69
    assert [at - at_s[0] for at in at_s] == pytest.approx([seq / FPS for seq in range(len(shown))], abs=0.001)


def test_events_near_each_other_share_a_clip_and_other_kinds_have_none(tmp_path: Path) -> None:
    recording = write_clip(tmp_path / "recording.mp4", 100)
    events = [happened(20), happened(25), happened(26, "exit"), happened(80)]
    subject = finished(tmp_path, events, [line(seq) for seq in range(100)], recording=recording)
    rows = made(ClipsSink(before_s=0.3, after_s=0.3), subject)
    assert [row["event"] for row in rows] == ["gate/20-0", "gate/25-0", "gate/80-0"]
    assert rows[0]["clip"] == rows[1]["clip"] != rows[2]["clip"]
    index, *clips = ClipsSink().outputs(tmp_path, "gate")
    assert len(clips) == 2 and all(clip.exists() for clip in (index, *clips))


def test_a_cameras_clip_is_cut_from_its_annotated_segment_by_the_time_of_the_day(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "gate.mp4", 100)  # begins at 0, the camera at 08:46
    lines = [
        replace(line(seq), frame=replace(line(seq).frame, previous=seq - 1, pts_s=900 + seq)) for seq in range(100)
    ]
    (row,) = made(ClipsSink(before_s=0.4, after_s=0.4), finished(tmp_path, [happened(55)], lines, video=video))
    assert row["at_s"] == 1524177960 + 2.2 and row["begins_s"] == pytest.approx(1524177960 + 40 / FPS, abs=0.001)
    assert numbers(tmp_path / row["clip"])[0] == 40


def test_an_event_at_an_edge_has_what_there_is(tmp_path: Path) -> None:
    recording = write_clip(tmp_path / "recording.mp4", 50)
    subject = finished(tmp_path, [happened(0), happened(49)], [line(seq) for seq in range(50)], recording=recording)
    first, last = made(ClipsSink(before_s=0.5, after_s=0.5), subject)
    assert numbers(tmp_path / first["clip"])[0] == 0 and numbers(tmp_path / last["clip"])[-1] == 49


def test_without_a_video_or_with_a_broken_one_the_reason_is_listed(tmp_path: Path) -> None:
    lines = [line(seq) for seq in range(9)]
    (row,) = made(ClipsSink(), finished(tmp_path, [happened(5)], lines))
    assert row["clip"] is None and "add the sink video" in row["error"]
    (tmp_path / "recording.mp4").write_bytes(b"no video" * 100)
    (row,) = made(ClipsSink(), finished(tmp_path, [happened(5)], lines, recording=tmp_path / "recording.mp4"))
    assert row["clip"] is None and "can't be read" in row["error"]


def test_it_needs_events() -> None:
    with pytest.raises(ValidationError, match="needs the sink 'events'"):
        AnnotatorSettings.model_validate({"sinks": [{"kind": "clips"}]})
