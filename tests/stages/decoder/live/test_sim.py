"""Waits are for the camera's own frames: it takes up to 1000 a second."""

import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import numpy as np
import pytest

from pipeline import strip
from pipeline.errors import ConfigError
from stages.decoder.live.captured import Captured
from stages.decoder.live.clock import CaptureClock
from stages.decoder.live.sim import SimSettings, SimulatedCamera
from stages.decoder.scene.street import Street

SMALL = {"size": (320, 180), "fps": 500, "seed": 7}


def camera(start: int = 0, **settings: object) -> SimulatedCamera:
    return SimulatedCamera(SimSettings.model_validate(SMALL | settings), CaptureClock(), start)


def numbered(video: SimulatedCamera, start: int = 0) -> Iterator[tuple[int, Captured]]:
    """Yield frames with their numbers, as who counts them would number them."""
    seq = start
    for captured in video:
        seq += captured.missed
        yield seq, captured
        seq += 1


@pytest.mark.parametrize("codec", ["raw", "h264"])
@pytest.mark.parametrize("size", [(320, 180), (316, 178), (640, 360)])
def test_each_picture_carries_the_number_of_its_frame(codec: str, size: tuple[int, int]) -> None:
    with closing(camera(codec=codec, frames=100, fps=100)) as video:
        found = [(seq, strip.read(frame.scaled(*size))) for seq, frame in islice(numbered(video), 5)]
    assert len(found) == 5
    assert all(number is not None and strip.untagged(number) == (7, seq) for seq, number in found)


def test_a_raw_picture_is_the_street_as_it_is_drawn() -> None:
    with closing(camera(11, objects=5)) as video:
        frame = next(iter(video))
        expected, truth = Street(320, 180, 5, 7).draw(11)
        strip.stamp(expected, strip.tagged(7, 11))
        assert (frame.scaled(320, 180) == expected).all()
        assert (video.truth(11).xyxy == truth.xyxy).all()


def test_a_coded_picture_is_nearly_so() -> None:
    with closing(camera(11, objects=5, codec="h264")) as video:
        seq, frame = next(numbered(video, 11))
        difference = frame.scaled(320, 180).astype(float) - Street(320, 180, 5, 7).draw(seq)[0]
        assert 0 < np.abs(difference[20:-20]).mean() < 6


def test_numbers_begin_where_asked_and_end_before_the_frame_that_was_asked_for() -> None:
    with closing(camera(30, frames=40)) as video:
        seqs = [seq for seq, _ in numbered(video, 30)]
    assert seqs[0] == 30 and seqs == sorted(set(seqs)) and seqs[-1] < 40
    assert list(camera(40, frames=40)) == []


def test_a_slow_consumer_misses_frames_gets_the_newest_and_is_told() -> None:
    with closing(camera(fps=1000)) as slow, closing(camera(fps=1000)) as quick:
        frames = iter(slow)
        next(frames)
        passed = sum(1 + frame.missed for frame in islice(quick, 50))
        assert next(frames).missed + 1 >= passed - 1


def test_it_says_what_was_asked_for() -> None:
    video = SimulatedCamera(SimSettings.parse("sim://street?fps=20&size=640x360&codec=h264"), CaptureClock())
    frame = next(iter(video))
    assert (frame.width, frame.height, video.fps, video.codec) == (640, 360, 20, "h264")


def test_clocks_follow_the_numbers() -> None:
    with closing(camera()) as video:
        frames = list(islice(numbered(video), 3))
        assert video.counts.captured == 3
    assert all(frame.pts_s == seq / 500 for seq, frame in frames)
    stamps = [frame.timestamp_s for _, frame in frames]
    assert stamps == sorted(set(stamps)) and abs(frames[0][1].captured_ns / 1e9 - stamps[0]) < 1


def test_closing_ends_a_camera_that_waits_for_its_next_frame() -> None:
    video = camera(fps=0.001)
    frames = iter(video)
    next(frames)
    rest: list[object] = []
    waiting = threading.Thread(target=lambda: rest.extend(frames), daemon=True)
    waiting.start()
    video.close()
    video.close()
    waiting.join(30)
    assert not waiting.is_alive() and rest == []


def test_everything_in_the_url_is_taken() -> None:
    parsed = SimSettings.parse("sim://street?fps=12.5&objects=3&seed=9&size=1920X1080&codec=h264&frames=7")
    assert parsed == SimSettings(fps=12.5, objects=3, seed=9, size=(1920, 1080), codec="h264", frames=7)
    assert SimSettings.parse("sim://street/") == SimSettings()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sim://beach", "only simulated camera is sim://street"),
        ("sim://street/north", "only simulated camera is sim://street"),
        ("sim://", "only simulated camera is sim://street"),
        ("sim://street?fsp=3", "no setting 'fsp'; it has: fps, objects, seed, size, codec, frames"),
        ("sim://street?fps=0", "fps=0: must be greater than 0"),
        ("sim://street?fps=nan", "fps=nan"),
        ("sim://street?fps=", "fps="),
        ("sim://street?fps", "fps="),
        ("sim://street?fps=1&fps=2", "fps is given twice"),
        ("sim://street?seed=65536", "seed=65536: must be less than 65536"),
        ("sim://street?size=big", "size=big: write WIDTHxHEIGHT, as in 1280x720"),
        ("sim://street?size=1280x721", "sides are even and from 96 to 4096"),
        ("sim://street?size=640x²", "write WIDTHxHEIGHT"),
        ("sim://street?codec=vp9", "codec=vp9: must be 'raw' or 'h264'"),
        ("sim://street?frames=0", "frames=0"),
        ("sim://street#fps=3", "only simulated camera is sim://street"),
    ],
)
def test_what_is_wrong_in_a_url_is_said_in_one_line(url: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SimSettings.parse(url)
    assert reason in str(caught.value) and "\n" not in str(caught.value)
