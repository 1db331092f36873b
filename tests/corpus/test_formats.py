"""Every format: as many frames as there are, each at its time, and each the one that it should be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import strip
from stages.decoder.opening import opened
from stages.decoder.sources.file import FileSource
from tests.conftest import missing
from tests.corpus import reference
from tests.corpus.formats import STEADY_MS, Recording, recordings
from tests.corpus.reader import read

SAME_S = 2e-3
"""Matroska rounds to milliseconds."""

every = pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.name)


@every
def test_each_frame_comes_once_in_order_and_at_its_time(
    made: Callable[[Recording], Path], recording: Recording
) -> None:
    found = read(made(recording))
    assert found["error"] is None
    assert [shown for _, _, shown in found["frames"]] == list(recording.shows)
    assert not [error for _, error, _ in found["frames"] if error]
    times = [pts_s for pts_s, _, _ in found["frames"]]
    known_ms = recording.times_ms or STEADY_MS[: len(times)]
    assert [pts_s - times[0] for pts_s in times] == pytest.approx([ms / 1000 for ms in known_ms], abs=SAME_S)


@every
def test_frames_are_those_of_ffprobe(made: Callable[[Recording], Path], recording: Recording) -> None:
    if not reference.is_installed():
        missing("ffprobe is not installed")
    path = made(recording)
    with opened(path, 1, "slice") as (_, stream):
        index = stream.index
    times = [pts_s for pts_s, _, _ in read(path)["frames"]]
    known = [frame.best_s if frame.pts_s is None else frame.pts_s for frame in reference.probed(path, index)]
    assert len(times) == len(known)
    if None not in known:  # ffprobe gives a stream without a container no times
        assert times == pytest.approx(known, abs=SAME_S)


@pytest.mark.parametrize(
    "name", ["plain-h264.avi", "b-h264.avi", "b-hevc.mkv", "raw.h264", "plain-av1.mp4", "b-mpeg4.avi"]
)
def test_threads_that_work_on_frames_of_their_own_change_nothing(made: Callable[[Recording], Path], name: str) -> None:
    (recording,) = [recording for recording in recordings() if recording.name == name]
    frames = FileSource(path=made(recording), threads=4, thread_type="frame").build().frames()
    found = [frame.error or strip.read(frame.scaled(frame.width, frame.height)) for frame in frames]
    assert found == list(recording.shows)


@pytest.mark.parametrize("codec", sorted({recording.codec for recording in recordings()}))
def test_what_is_read_in_pieces_is_the_same(made: Callable[[Recording], Path], codec: str) -> None:
    for recording in recordings():
        if recording.codec != codec:
            continue
        opened_one = FileSource(path=made(recording)).build()
        lanes = opened_one.lanes(2)
        found = {frame.seq: strip.read(frame.scaled(frame.width, frame.height)) for lane in lanes for frame in lane}
        opened_one.close()
        assert [found[seq] for seq in sorted(found)] == list(recording.shows), recording.name
