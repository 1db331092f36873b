from itertools import pairwise

import pytest

from stages.decoder.live.clock import CaptureClock, HostClock

START_S = 1_700_000_000.0


def stamps(
    clock: CaptureClock, frames: int = 100, *, wall_jump_s: float = 0.0, pts_jump_s: float = 0.0, jitter_s: float = 0.0
) -> list[float]:
    """Stamp frames at 25 a second; both clocks may jump half way."""
    found = []
    for index in range(frames):
        late = index >= frames // 2
        now_s = index / 25 + (jitter_s if index % 3 else 0.0)
        wall_s = START_S + now_s + late * wall_jump_s
        found.append(clock.stamp(index / 25 + late * pts_jump_s, None, wall_s, now_s))
    return found


@pytest.mark.parametrize("wall_jump_s", [0.0, 3600.0, -3600.0])
@pytest.mark.parametrize("pts_jump_s", [0.0, 1e5, -1e5])
def test_times_grow_whatever_jumps(wall_jump_s: float, pts_jump_s: float) -> None:
    found = stamps(CaptureClock(), wall_jump_s=wall_jump_s, pts_jump_s=pts_jump_s)
    assert all(after > before for before, after in pairwise(found))


def test_times_are_even_where_arrivals_are_not() -> None:
    found = stamps(CaptureClock(), jitter_s=0.015)
    steps = [after - before for before, after in pairwise(found)]
    assert min(steps) == pytest.approx(0.04, abs=1e-3) == max(steps)


def test_time_goes_on_at_nearly_its_speed_when_the_host_s_clock_goes_back() -> None:
    found = stamps(CaptureClock(), 500, wall_jump_s=-3600.0)
    assert found[-1] - found[0] > 0.8 * 500 / 25


def test_time_of_the_camera_is_taken_if_it_is_about_right() -> None:
    assert CaptureClock().stamp(0.0, START_S - 0.3, START_S, 0.0) == START_S - 0.3


def test_camera_that_lives_in_1970_is_told_by_its_arrivals() -> None:
    assert CaptureClock().stamp(0.0, 1234.5, START_S, 0.0) == START_S


def test_reports_that_begin_late_and_disagree_turn_nothing_back() -> None:
    clock, found = CaptureClock(), []
    for index in range(200):
        said_s = START_S + index / 25 - 2.0 if index >= 50 else None
        found.append(clock.stamp(index / 25, said_s, START_S + index / 25, index / 25))
    assert all(after > before for before, after in pairwise(found))
    assert found[-1] == pytest.approx(START_S + 199 / 25 - 2.0)


def test_host_clock_follows_a_step_forward_at_once() -> None:
    clock = HostClock()
    assert clock.at(START_S, 0.0) == START_S
    assert clock.at(START_S + 100, 1.0) == START_S + 100
