import random
import resource
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from pipeline.errors import SinkError
from pipeline.frame import Matrix, Planar
from stages.annotator.film import as_frame, black, fitted
from stages.annotator.sink import Counts, Sink
from stages.annotator.sinks.video import VideoSink, VideoWriter
from stages.decoder.picture import from_bgr
from tests.planes import noise
from tests.stages.annotator.frames import failed, found, image
from tests.stages.decoder.videos import TICKS, frame_times, number_of, pictures

FRAMES = 60
VFR = [0.0, 0.04, 0.2, 0.24, 1.5, 1.501, 2.0, 7.25, 7.3]


class Open(Protocol):
    def __call__(self, folder: Path, **settings: Any) -> VideoWriter: ...


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens sinks that are closed when the test is over."""
    with ExitStack() as stack:

        def build(folder: Path, **settings: Any) -> VideoWriter:
            return stack.enter_context(closing(VideoSink(**{"preset": "ultrafast"} | settings).build(folder, "gate")))

        yield build


def killed(folder: Path, size: int | None = None) -> Path:
    """Return a folder with what a process that dies now leaves in this one, perhaps only its first bytes."""
    left = folder.with_name(f"{folder.name}-killed-{size}")
    left.mkdir()
    (left / "gate.mp4.part").write_bytes((folder / "gate.mp4.part").read_bytes()[:size])
    return left


def write(sink: Sink, frames: range) -> None:
    for seq in frames:
        sink.write(found(seq, objects=0), image(seq))


def finished(folder: Path, sink: VideoWriter, frames: int = FRAMES) -> Path:
    sink.finish(frames, None)
    assert sorted(path.name for path in folder.iterdir()) == ["gate.mp4"]
    return folder / "gate.mp4"


def steady(frames: int) -> list[float]:
    return [seq / 12.5 for seq in range(frames)]


def from_matrix(image: Planar, matrix: Matrix) -> Planar:
    """Return the same colours by another matrix."""
    frame = fitted(VideoReformatter(), as_frame(image), (image.width, image.height), matrix)
    return Planar(np.asarray(frame.to_ndarray(), np.uint8), matrix)


def numbers(path: Path) -> list[int]:
    return [number_of(picture) for picture in pictures(path)]


def test_it_has_each_frame_at_its_time(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(FRAMES))
    path = finished(tmp_path, sink)
    assert frame_times(path) == pytest.approx(steady(FRAMES), abs=1e-5)
    assert numbers(path) == list(range(FRAMES))
    assert (sink.done, sink.durable, sink.counts()) == (59, 59, Counts(60, 0))


def test_it_is_what_browsers_play(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(FRAMES))
    path = finished(tmp_path, sink)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.codec_tag) == ("h264", "yuv420p", "avc1")
        assert (stream.frames, stream.duration) == (FRAMES, FRAMES * TICKS / 12.5)
        keys = [packet.pts for packet in container.demux(stream) if packet.is_keyframe]
        assert np.diff(np.array(keys, float)).max() <= 2.1 * TICKS
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_variable_frame_rate_stays(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    for seq, time_s in enumerate(VFR):
        sink.write(found(seq, time_s), image(seq))
    assert frame_times(finished(tmp_path, sink, len(VFR))) == pytest.approx(VFR, abs=1e-5)


@pytest.mark.parametrize(("first_s", "shown_s"), [(0.0, 0.0), (1.4, 1.4), (40_000.0, 0.0), (-0.5, 0.0)])
def test_a_small_offset_stays_and_no_player_waits_for_a_large_one(
    tmp_path: Path, opened: Open, first_s: float, shown_s: float
) -> None:
    sink = opened(tmp_path)
    for seq in range(5):
        sink.write(found(seq, first_s + seq / 10), image(seq))
    sink.close()
    sink = opened(tmp_path)
    for seq in range(5, 10):
        sink.write(found(seq, first_s + seq / 10), image(seq))
    times = frame_times(finished(tmp_path, sink, 10))
    assert times == pytest.approx([shown_s + seq / 10 for seq in range(10)], abs=1e-4)


def test_times_that_jump_back_still_give_every_frame(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    for seq, time_s in enumerate([0.0, 0.5, 0.2, 0.2, 0.6]):
        sink.write(found(seq, time_s, objects=0), image(seq))
    assert numbers(finished(tmp_path, sink, 5)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("size", "even"), [((65, 49), (64, 48)), ((64, 49), (64, 48)), ((1, 1), (2, 2))])
def test_odd_sizes_lose_a_line_at_most(
    tmp_path: Path, opened: Open, size: tuple[int, int], even: tuple[int, int]
) -> None:
    sink = opened(tmp_path)
    for seq in range(3):
        sink.write(found(seq, objects=0, size=size), from_bgr(np.full((size[1], size[0], 3), 200, np.uint8)))
    shown = pictures(finished(tmp_path, sink, 3))
    assert [picture.shape[1::-1] for picture in shown] == [even] * 3


def test_colours_survive(tmp_path: Path, opened: Open) -> None:
    blocks = np.random.default_rng(3).integers(30, 220, (3, 4, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    sink = opened(tmp_path, crf=5)
    sink.write(found(0, objects=0), from_bgr(blocks))
    shown = pictures(finished(tmp_path, sink, 1))[0]
    assert np.abs(shown[8::16, 8::16].astype(int) - blocks[8::16, 8::16]).max() <= 6


@pytest.mark.parametrize("matrix", Matrix)
def test_the_matrix_of_a_recording_stays_and_is_told(matrix: Matrix, tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path, crf=5)
    red, other = noise(1, 64, 48, matrix), Matrix.BT709 if matrix is Matrix.BT601 else Matrix.BT601
    red.data[...] = 128  # grey, but for V
    red.planes[2][...] = 200
    sink.write(found(0, objects=0), red.copy())
    sink.close()
    sink = opened(tmp_path, crf=5)  # goes on with it, also where frames of another one come
    sink.write(found(1, objects=0), from_matrix(red, other))
    with av.open(str(finished(tmp_path, sink, 2))) as container:
        frames = [frame.to_ndarray() for frame in container.decode(video=0)]
        assert container.streams.video[0].codec_context.colorspace == matrix
    for frame in frames:
        assert np.abs(frame.astype(int) - red.data).max() <= 3


def test_boxes_are_drawn(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    sink.write(found(0, size=(192, 144)), black(192, 144, Matrix.BT709))
    assert pictures(finished(tmp_path, sink, 1))[0].max() > 100


def test_a_failed_frame_repeats_the_last_picture(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    for seq in range(10):
        lost = seq in (0, 4, 5)
        sink.write(failed(seq) if lost else found(seq, objects=0), None if lost else image(seq))
    path = finished(tmp_path, sink, 10)
    assert numbers(path)[1:] == [1, 2, 3, 3, 3, 6, 7, 8, 9]
    assert sink.counts() == Counts(10, 3)


def test_frames_become_durable_while_it_runs(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    assert (sink.done, sink.durable) == (-1, -1)
    write(sink, range(40))
    sink.flush()
    assert sink.done == 39 and 10 <= sink.durable < 40


def test_an_interrupted_video_plays_as_far_as_it_goes_and_goes_on_later(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(25))
    sink.close()
    assert numbers(tmp_path / "gate.mp4") == list(range(25))
    sink = opened(tmp_path)
    assert sink.durable == sink.done == 24
    write(sink, range(20, FRAMES))
    path = finished(tmp_path, sink)
    assert numbers(path) == list(range(FRAMES)) and frame_times(path) == pytest.approx(steady(FRAMES), abs=1e-5)


def test_killed_with_any_byte_as_the_last_it_goes_on_to_the_same_video(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path / "whole")
    for seq in range(FRAMES):
        sink.write(failed(seq) if seq == 7 else found(seq, objects=0), None if seq == 7 else image(seq))
    sink.flush()
    length = (tmp_path / "whole" / "gate.mp4.part").stat().st_size
    pick = random.Random(1)
    for size in [0, 1, 500, length, *(pick.randrange(length) for _ in range(12))]:
        folder = killed(tmp_path / "whole", size)
        sink = opened(folder)
        assert sink.counts() == Counts(sink.durable + 1, int(sink.durable >= 7))
        write(sink, range(max(0, sink.durable - 2), FRAMES))
        path = finished(folder, sink)
        assert [n for n in numbers(path) if n not in (6, 7)] == [n for n in range(FRAMES) if n not in (6, 7)]
        assert frame_times(path) == pytest.approx(steady(FRAMES), abs=1e-5)


def test_zeros_left_by_a_loss_of_power_are_no_frames(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(30))
    sink.flush()
    data = (tmp_path / "gate.mp4.part").read_bytes()
    for name, left, lost in (("in", data[:-200] + bytes(200), 1), ("after", data + bytes(5000), 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "gate.mp4.part").write_bytes(left)
        assert opened(tmp_path / name).durable == sink.durable - lost


def test_the_part_plays_by_itself(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(40))
    sink.flush()
    assert numbers(tmp_path / "gate.mp4.part") == list(range(sink.durable + 1))


def test_killed_between_the_video_and_the_end_of_its_part_it_finishes_again(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(FRAMES))
    sink.close()
    assert finished(tmp_path, opened(tmp_path)).exists()


def test_a_finished_video_is_known_and_left_alone(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(FRAMES))
    before = finished(tmp_path, sink).read_bytes()
    sink = opened(tmp_path)
    assert (sink.done, sink.durable, sink.counts()) == (59, 59, Counts(60, 0))
    write(sink, range(FRAMES))
    assert finished(tmp_path, sink).read_bytes() == before
    with pytest.raises(SinkError, match="finished already"):
        opened(tmp_path).write(found(60), image(60))


def test_a_video_of_somebody_else_is_not_overwritten(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "gate.mp4").write_text("mine")
    with pytest.raises(SinkError, match="not a video that detstream made"):
        opened(tmp_path)
    assert (tmp_path / "gate.mp4").read_text() == "mine"


def test_a_part_of_other_settings_is_not_continued(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(20))
    sink.close()
    other = opened(tmp_path, preset="slow")
    with pytest.raises(SinkError, match="other video settings"):
        other.write(found(20), image(20))


def test_without_frames_there_is_no_video(tmp_path: Path, opened: Open) -> None:
    opened(tmp_path).finish(0, "no frames")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_line_and_keeps_what_is_durable(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(30))
    sink.flush()
    size = (tmp_path / "gate.mp4.part").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, hard))
    try:
        with pytest.raises(SinkError) as raised:
            write(sink, range(30, FRAMES))
            sink.flush()
        assert "gate.mp4.part can't be written" in str(raised.value) and "\n" not in str(raised.value)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    folder = killed(tmp_path)
    again = opened(folder)
    assert again.durable >= sink.durable >= 10
    write(again, range(FRAMES))
    assert numbers(finished(folder, again)) == list(range(FRAMES))


def test_a_full_disk_at_the_end_keeps_the_part(tmp_path: Path, opened: Open) -> None:
    sink = opened(tmp_path)
    write(sink, range(FRAMES))
    sink.flush()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink.close()
    sink = opened(tmp_path)
    (tmp_path / "gate.mp4").unlink()
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(SinkError, match=r"gate.mp4 can't be written"):
            sink.finish(FRAMES, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["gate.mp4.part"]
    assert numbers(finished(tmp_path, opened(tmp_path))) == list(range(FRAMES))
