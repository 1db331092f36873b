from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.decoder.live.gates import WIDTH, MotionGate, RateGate, grey_of
from tests.clips import DEMO

GREY = (180, WIDTH)


@pytest.mark.parametrize(("camera_fps", "fps", "passed"), [(30, 10, 100), (25, 5, 50), (25, 10, 100), (25, 24.9, 249)])
def test_rate_has_no_drift(camera_fps: float, fps: float, passed: int) -> None:
    gate = RateGate(fps)
    assert sum(gate.passes(index / camera_fps) for index in range(round(camera_fps * 10))) == pytest.approx(
        passed, abs=1
    )


def test_without_a_rate_all_pass() -> None:
    gate = RateGate(None)
    assert all(gate.passes(index / 1000) for index in range(100))


def test_no_burst_follows_a_pause() -> None:
    gate = RateGate(5)
    gate.passes(0.0)
    assert [gate.passes(100 + index / 25) for index in range(6)] == [True, False, False, False, False, True]


@given(steps=st.lists(st.floats(0, 0.5), min_size=1, max_size=80), fps=st.floats(1, 30))
@settings(max_examples=100)
def test_never_more_than_the_rate_and_one(steps: list[float], fps: float) -> None:
    gate, now_s, passed = RateGate(fps), 0.0, 0
    for step in steps:
        now_s += step
        passed += gate.passes(now_s)
    assert passed <= now_s * fps + 2


def still(level: int = 90, seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, 3, GREY)
    return np.clip(level + noise, 0, 255).astype(np.uint8)


def test_noise_is_no_motion_but_the_first_frame_and_what_enters_are() -> None:
    gate = MotionGate(20, 0.0005, 1000)
    assert gate.passes(still(), 0.0)
    assert not any(gate.passes(still(seed=index), index / 25) for index in range(1, 50))
    entered = still(seed=50)
    entered[100:120, 200:230] = 200
    assert gate.passes(entered, 2.0)


def test_light_that_changes_is_no_motion() -> None:
    gate = MotionGate(20, 0.0005, 1000)
    gate.passes(still(), 0.0)
    dusk = [gate.passes(still(90 - index // 10, index), index / 25) for index in range(1, 400)]
    assert not any(dusk)
    assert not gate.passes(still(120, 1), 20.0)


def test_one_is_forced_now_and_then() -> None:
    gate = MotionGate(20, 0.0005, 2.0)
    passed = [index for index in range(100) if gate.passes(still(), index / 10)]
    assert passed == [0, 20, 40, 60, 80]


def test_change_of_size_is_motion() -> None:
    gate = MotionGate(20, 0.0005, 1000)
    gate.passes(still(), 0.0)
    assert gate.passes(still()[::2, ::2].copy(), 0.1)


def greys(clip: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(clip)) as container:
        return [
            grey_of(np.asarray(frame.to_ndarray(format="bgr24", width=WIDTH, height=GREY[0]), np.uint8))
            for frame in container.decode(video=0)
        ]


def test_empty_car_park_is_idle_and_a_car_that_drives_is_not() -> None:
    pictures, gate = greys(DEMO), MotionGate(20, 0.0005, 1000)
    moves = [gate.passes(picture, index / 12.5) for index, picture in enumerate(pictures)]
    assert moves[0]
    busy = float(np.mean(moves))
    assert 0.05 < busy < 0.95, busy
