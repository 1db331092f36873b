import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import SourceError
from stages.decoder.recording import Recording
from stages.decoder.source import Decoded
from stages.decoder.sources.file import FileSource
from tests.conftest import missing
from tests.stages.decoder.videos import make, make_sound, number_of, pictures, steady

VFR = [0.0, 0.04, 0.2, 0.24, 1.5, 1.501, 2.0, 7.25]


def opened(path: Path, threads: int = 2) -> Recording:
    return FileSource(path=path, threads=threads).build()


def until_error(recording: Recording) -> tuple[list[Decoded], str]:
    """Return what a recording yields before it fails, and how it fails."""
    frames: list[Decoded] = []
    with pytest.raises(SourceError) as raised:
        frames.extend(taken(recording.frames(), frames))
    return frames, str(raised.value)


def taken(items: Iterator[Decoded], into: list[Decoded]) -> Iterator[Decoded]:
    """Move items over one by one, so that those before an error are kept."""
    for item in items:
        into.append(item)
    return iter(())


def ffprobe(path: Path) -> list[float]:
    """Return the time of each frame as ffprobe counts them."""
    if not shutil.which("ffprobe"):
        missing("ffprobe is not installed")
    entries = ["-select_streams", "v:0", "-show_entries", "frame=best_effort_timestamp_time", "-of", "csv=p=0"]
    done = subprocess.run(["ffprobe", "-v", "quiet", *entries, path], capture_output=True, text=True, check=False)
    return [float(line.strip(",")) for line in done.stdout.split()]


@pytest.fixture(scope="module")
def b_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty frames, out of order inside, the index in front."""
    path = tmp_path_factory.mktemp("videos") / "b.mp4"
    return make(path, steady(60), b_frames=2, options={"movflags": "faststart"}, tune={"preset": "veryfast"})


def cut(path: Path, share: float, tmp_path: Path) -> Path:
    data = path.read_bytes()
    short = tmp_path / f"cut{path.suffix}"
    short.write_bytes(data[: int(len(data) * share)])
    return short


def damage_packet(path: Path, number: int, damaged: Path) -> float:
    """Write a copy of which one packet is no H.264, and return when its frame is to be shown."""
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        assert packet.pos is not None and packet.pts is not None
        data = bytearray(path.read_bytes())
        data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
        damaged.write_bytes(data)
        return float(packet.pts * packet.time_base)


def test_every_frame_comes_out_in_order_the_last_ones_in_the_codec_included(b_frames: Path) -> None:
    frames = list(opened(b_frames).frames())
    assert [frame.seq for frame in frames] == list(range(60))
    assert [number_of(frame.scaled(64, 48)) for frame in frames] == list(range(60))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_frames_are_as_many_as_ffprobe_counts_and_at_the_same_times(tmp_path: Path, suffix: str) -> None:
    path = make(tmp_path / f"video{suffix}", steady(40), b_frames=2)
    assert [frame.pts_s for frame in opened(path).frames()] == pytest.approx(ffprobe(path), abs=1e-5)


def test_a_container_without_presentation_times_has_those_of_decoding(tmp_path: Path) -> None:
    path = make(tmp_path / "video.avi", steady(40))
    assert [frame.pts_s for frame in opened(path).frames()] == pytest.approx(ffprobe(path), abs=1e-5)


def test_variable_frame_rate_keeps_the_time_of_each_frame(tmp_path: Path) -> None:
    path = make(tmp_path / "vfr.mp4", VFR)
    assert [frame.pts_s for frame in opened(path).frames()] == pytest.approx(VFR, abs=1e-4)


@pytest.mark.parametrize("start", [1, 7, 59])
def test_a_later_start_gives_the_same_numbers_times_and_pictures(b_frames: Path, start: int) -> None:
    recording = opened(b_frames)
    whole, part = list(recording.frames()), list(recording.frames(start))
    assert [(frame.seq, frame.pts_s) for frame in part] == [(frame.seq, frame.pts_s) for frame in whole[start:]]
    assert np.array_equal(part[0].scaled(32, 24), whole[start].scaled(32, 24))


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_a_turned_video_comes_out_upright(tmp_path: Path, rotation: int, turns: int) -> None:
    lying = np.zeros((48, 64, 3), np.uint8)
    lying[:24, :32], lying[:24, 32:], lying[24:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    path = make(tmp_path / "turned.mp4", steady(2), images=[lying, lying], rotation=rotation)
    recording = opened(path)
    frame = next(recording.frames())
    upright = np.rot90(lying, turns)
    assert (recording.facts.width, recording.facts.height) == (frame.width, frame.height) == upright.shape[1::-1]
    assert np.abs(frame.scaled(frame.width, frame.height).astype(int) - upright)[4:20, 4:20].max() < 40


def test_colours_are_those_of_ffmpeg(b_frames: Path, tmp_path: Path) -> None:
    colourful = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    path = make(tmp_path / "colours.mp4", steady(1), images=[colourful])
    assert np.array_equal(next(opened(path).frames()).scaled(64, 48), pictures(path)[0])


def test_pictures_are_scaled_to_the_size_asked_for_and_contiguous(b_frames: Path) -> None:
    frame = next(opened(b_frames).frames(5))
    for width, height in ((31, 23), (64, 48), (128, 96)):
        picture = frame.scaled(width, height)
        assert picture.shape == (height, width, 3) and picture.flags.c_contiguous and number_of(picture) == 5


def test_facts_say_size_rate_length_and_when_it_was_taken(tmp_path: Path) -> None:
    path = make(tmp_path / "v.mp4", steady(50), metadata={"creation_time": "2018-04-19T22:46:00.000000Z"})
    recording = opened(path)
    facts = recording.facts
    assert (facts.width, facts.height, facts.fps, facts.frames, facts.codec) == (64, 48, 25, 50, "h264")
    assert facts.duration_s == pytest.approx(2)
    assert facts.creation_time == datetime(2018, 4, 19, 22, 46, tzinfo=UTC)
    assert next(recording.frames(25)).timestamp_s == facts.creation_time.timestamp() + 1


def test_without_a_creation_time_frames_have_no_timestamp(b_frames: Path) -> None:
    assert next(opened(b_frames).frames()).timestamp_s is None


def test_sound_before_the_picture_does_no_harm(tmp_path: Path) -> None:
    path = make(tmp_path / "sound.mp4", steady(10), audio_first=True)
    assert [number_of(frame.scaled(64, 48)) for frame in opened(path).frames()] == list(range(10))


def test_the_demo_clip_has_377_frames(shared: Path) -> None:
    assert sum(1 for _ in opened(shared / "videos" / "car-detection.mp4").frames()) == 377


def test_a_gif_is_a_video_too(shared: Path) -> None:
    assert sum(1 for _ in opened(shared / "videos" / "people-detection.gif").frames()) == 23


@pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
def test_a_truncated_video_gives_its_frames_then_says_that_the_end_is_missing(
    b_frames: Path, tmp_path: Path, share: float
) -> None:
    short = cut(b_frames, share, tmp_path)
    frames, error = until_error(opened(short))
    assert 1 <= len(frames) < 60 and all(frame.error is None for frame in frames)
    assert len(frames) == len(ffprobe(short))
    assert f"{short} ends early: {len(frames)} of 60 frames could be read" in error and "\n" not in error


def test_how_many_frames_there_are_does_not_depend_on_where_it_was_gone_on(b_frames: Path, tmp_path: Path) -> None:
    short = cut(b_frames, 0.8, tmp_path)
    frames, error = until_error(opened(short))
    again: list[Decoded] = []
    with pytest.raises(SourceError) as raised:
        again.extend(taken(opened(short).frames(31, (30, frames[30].pts_s)), again))
    assert [frame.seq for frame in again] == [frame.seq for frame in frames[31:]]
    assert str(raised.value) == error


def test_a_truncated_matroska_file_is_noticed_by_its_tags(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole.mkv", steady(100))
    frames, error = until_error(opened(cut(whole, 0.5, tmp_path)))
    assert 1 <= len(frames) < 100 and "ends early" in error


def test_a_packet_that_cannot_be_decoded_is_a_failed_frame_in_its_place(b_frames: Path, tmp_path: Path) -> None:
    damaged, lost_s = tmp_path / "damaged.mp4", damage_packet(b_frames, 31, tmp_path / "damaged.mp4")
    frames = list(opened(damaged, threads=1).frames())
    failed = [frame for frame in frames if frame.error]
    assert [frame.seq for frame in frames] == list(range(60))
    assert [frame.pts_s for frame in failed] == [pytest.approx(lost_s)]
    assert [frame.pts_s for frame in frames] == pytest.approx(steady(60), abs=1e-4)
    with pytest.raises(SourceError, match="no picture"):
        failed[0].scaled(64, 48)


def test_a_damaged_video_comes_out_the_same_each_time(b_frames: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mp4"
    damage_packet(b_frames, 20, damaged)
    runs = [list(FileSource(path=damaged).build().frames()) for _ in range(3)]
    seen = [[(f.pts_s, f.error, None if f.error else f.scaled(16, 12).tobytes()) for f in frames] for frames in runs]
    assert seen[0] == seen[1] == seen[2]


def test_closing_ends_the_frames(b_frames: Path) -> None:
    recording = opened(b_frames)
    frames = recording.frames()
    next(frames)
    recording.close()
    assert list(frames) == []


def test_bad_input_is_one_line_that_names_the_file_and_prints_nothing(
    b_frames: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(100_000))
    index_last = make(tmp_path / "last.mp4", steady(60))
    expected = {
        tmp_path / "missing.mp4": "does not exist",
        tmp_path: "is a folder",
        tmp_path / "empty.mp4": "is empty",
        tmp_path / "text.mp4": "can't be opened as a video",
        tmp_path / "noise.mp4": "can't be opened as a video",
        cut(index_last, 0.7, tmp_path): "can't be opened as a video",
        make_sound(tmp_path / "sound.mp4"): "has no video stream",
    }
    for path, words in expected.items():
        with pytest.raises(SourceError) as raised:
            opened(path)
        message = str(raised.value)
        assert words in message and str(path) in message and "\n" not in message and ": " in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"x")
    secret.chmod(0)
    with pytest.raises(SourceError, match="permission denied"):
        opened(secret)


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path) -> None:
    path = make(tmp_path / "12:30:00.mp4", steady(3))
    assert sum(1 for _ in opened(path).frames()) == 3
