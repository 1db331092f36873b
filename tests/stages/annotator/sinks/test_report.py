"""Timelines and contact sheets: each picture is of the frame that its caption names."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.messages import Detections
from stages.annotator.derived import Finished
from stages.annotator.lines import line_fields, read_fields
from stages.annotator.sinks.report import ReportSink
from stages.annotator.sinks.video import VideoSink
from stages.annotator.spans import Span, clock
from stages.annotator.stills import Pending, stills
from stages.decoder.picture import from_bgr
from stages.decoder.sources.file import FileSource
from tests.stages.annotator.frames import found, meta
from tests.stages.annotator.sinks.lines import derive, finished
from tests.stages.decoder.videos import make, number_of, numbered, steady

SIZE = (64, 48)


def frames(times_s: Sequence[float]) -> list[Detections]:
    return [Detections.none(meta(seq, at_s)) for seq, at_s in enumerate(times_s)]


def shown(of: Finished, *seqs: int) -> list[int | None]:
    """Return the numbers that the pictures of frames show."""
    lines = [fields for _, fields in read_fields(of.lines)]
    pictures = [item for item in stills(of, [lines[seq] for seq in seqs], 64) if not isinstance(item, Pending)]
    return [None if picture is None else number_of(picture) for picture in pictures]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
def test_pictures_of_a_recording_are_of_the_very_frame(name: str, tmp_path: Path) -> None:
    recording = make(tmp_path / name, steady(60), SIZE, tune={"g": "25", "crf": "10"})
    with closing(FileSource(path=recording).build()) as video:
        times_s = [frame.pts_s for frame in video.frames()]
    of = finished(tmp_path, frames(times_s), recording=recording)
    assert shown(of, 0, 1, 24, 26, 59) == [0, 1, 24, 26, 59]


@pytest.mark.parametrize("first_s", [0.0, 3.0, 5000.0])
def test_pictures_of_the_annotated_video_are_too_whenever_it_begins(first_s: float, tmp_path: Path) -> None:
    given = frames([first_s + at_s for at_s in steady(30)])
    video = VideoSink(preset="ultrafast", crf=10).build(tmp_path, "gate")
    for seq, item in enumerate(given):
        video.write(item, from_bgr(numbered(seq)))
    video.finish(len(given), None)
    of = replace(finished(tmp_path, given), video=tmp_path / "gate.mp4")
    assert shown(of, 0, 7, 29) == [0, 7, 29]


def test_of_a_turned_recording_they_are_upright_and_boxes_are_drawn(tmp_path: Path) -> None:
    grey = np.full((48, 64, 3), 100, np.uint8)
    recording = make(tmp_path / "a.mp4", steady(3), SIZE, [grey] * 3, rotation=90)
    item = replace(found(1, 0.04, objects=1), frame=meta(1, 0.04, SIZE[::-1]))
    of = finished(tmp_path, [item], recording=recording)
    (picture,) = [still for still in stills(of, [line_fields(item)], 64) if not isinstance(still, Pending)]
    assert picture is not None and picture.shape == (64, 48, 3)
    assert np.ptp(picture.reshape(-1, 3).astype(int), axis=1).max() > 60  # a box has colours


def test_a_frame_that_is_not_there_has_no_picture(tmp_path: Path) -> None:
    recording = make(tmp_path / "a.mp4", steady(10), SIZE)
    of = finished(tmp_path, frames([0.0, 0.055, 99.0]), recording=recording)
    assert shown(of, 0, 1, 2) == [0, None, None]
    recording.write_bytes(b"no video")
    assert shown(of, 0) == [None]


def test_the_sheet_has_a_picture_of_every_so_many_seconds(tmp_path: Path) -> None:
    recording = make(tmp_path / "a.mp4", steady(50, 5), SIZE)
    of = finished(tmp_path, frames(steady(50, 5)), recording=recording)
    timeline, sheet = derive(ReportSink(picture_every_s=2.5), of)
    with Image.open(timeline) as plot, Image.open(sheet) as pictures:
        assert plot.size == (1300, 320) and pictures.width > 1300
        assert pictures.height < 2 * 100 + 60  # four pictures are one row
    with Image.open(derive(ReportSink(), of)[1]) as pictures:
        assert pictures.height > 2 * 100 + 60  # ten of them, one a second, are three


def test_without_a_video_there_is_a_timeline_only(tmp_path: Path) -> None:
    timeline, sheet = derive(ReportSink(), finished(tmp_path))
    assert timeline.exists() and not sheet.exists()


@pytest.mark.parametrize("count", [0, 1])
def test_recordings_of_no_length_have_a_timeline(count: int, tmp_path: Path) -> None:
    assert derive(ReportSink(), finished(tmp_path, frames(steady(count))))[0].exists()


def test_intervals_are_round() -> None:
    assert [Span(0, length_s, None).step_s(24) for length_s in (3, 20, 600, 3600, 86_000)] == [1, 1, 30, 300, 3600]
    assert [clock(seconds) for seconds in (0, 61.5, 36_000)] == ["0:00:00", "0:01:01.5", "10:00:00"]
