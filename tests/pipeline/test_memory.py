"""One figure bounds the memory; where it is too small, the figure that the error names is enough."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline import memory
from pipeline.errors import ConfigError
from pipeline.memory import LARGEST_WINDOW, LEAST_MB, MIB, SMALLEST_WINDOW, SPARE_SLOTS, STREAMS_KEPT, Budget, plan


def planned(monkeypatch: pytest.MonkeyPatch, memory_mb: int | None, free_mb: int, room_mb: int) -> Budget:
    monkeypatch.setattr(memory, "available_mb", lambda: free_mb)
    monkeypatch.setattr(memory, "free_space_mb", lambda _: room_mb)
    return plan(memory_mb, Path("/dev/shm/x"))


@given(st.integers(LEAST_MB, 1 << 20))
def test_shares_add_up_to_the_whole(total_mb: int) -> None:
    budget = Budget(total_mb)
    assert budget.broker_mb + budget.rings_mb == total_mb
    assert 0 < budget.broker_mb <= 512 and budget.rings_mb >= total_mb * 3 // 4


@given(st.integers(LEAST_MB, 1 << 16), st.integers(1, 1 << 28), st.integers(1, 64))
@example(64, 1, 1)
def test_a_window_fits_into_its_share_or_the_error_names_a_figure_that_is_enough(
    total_mb: int, slot_bytes: int, rings: int
) -> None:
    budget = Budget(total_mb)
    try:
        window = budget.window(slot_bytes, rings)
    except ConfigError as error:
        (enough,) = re.findall(r"set it to (\d+) or more", str(error))
        budget = Budget(int(enough))
        assert budget.total_mb > total_mb
        window = budget.window(slot_bytes, rings)
    assert SMALLEST_WINDOW <= window <= LARGEST_WINDOW
    assert (window + SPARE_SLOTS) * slot_bytes * rings <= budget.rings_mb * MIB


def test_a_window_never_grows_beyond_what_helps() -> None:
    assert Budget(1 << 16).window(1, 1) == LARGEST_WINDOW


@given(st.none() | st.integers(1, 9000), st.integers(0, 9000), st.integers(0, 9000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(None, 0, 1000)
@example(None, 1000, 40)
@example(200, 100, 50)
def test_a_plan_fits_the_machine_or_the_error_names_a_figure_that_does(
    monkeypatch: pytest.MonkeyPatch, memory_mb: int | None, free_mb: int, room_mb: int
) -> None:
    try:
        budget = planned(monkeypatch, memory_mb, free_mb, room_mb)
    except ConfigError as error:
        figures = re.findall(r"set (?:it|memory_mb) to (\d+)", str(error))
        if not figures:
            assert free_mb < LEAST_MB or room_mb < Budget(LEAST_MB).rings_mb
            return
        room_for_it = [int(figure) for figure in figures]
        budget = planned(monkeypatch, min(room_for_it), free_mb, room_mb)
    assert LEAST_MB <= budget.total_mb <= free_mb and budget.rings_mb <= room_mb


@pytest.mark.parametrize(
    ("memory_mb", "free_mb", "room_mb", "wanted"),
    [
        (10, 4000, 4000, "memory_mb 10 is too small: set it to 64 or more"),
        (5000, 4000, 9000, "memory_mb 5000 is more than this machine has free: set it to 4000 or less"),
        (2000, 4000, 64, r"/dev/shm/x has 64 MB free: set memory_mb to 64, or enlarge it \(--shm-size\)"),
        (None, 4000, 10, "/dev/shm/x has 10 MB free: enlarge it"),
        (None, 10, 4000, "this machine has 10 MB of memory free: 64 MB is the least"),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, memory_mb: int, free_mb: int, room_mb: int, wanted: str
) -> None:
    with pytest.raises(ConfigError, match=wanted):
        planned(monkeypatch, memory_mb, free_mb, room_mb)


def test_without_a_figure_a_quarter_of_what_is_free_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert planned(monkeypatch, None, 8000, 8000).total_mb == 2000
    assert planned(monkeypatch, None, 8000, 1000).total_mb == 900


def test_this_machine_says_what_it_has(tmp_path: Path) -> None:
    assert memory.available_mb() > 0
    assert memory.free_space_mb(tmp_path) >= 0


@given(st.integers(LEAST_MB, 1 << 16), st.integers(0, 10_000))
def test_entries_that_are_kept_for_late_readers_leave_half_of_the_broker_free(total_mb: int, wanted: int) -> None:
    kept = Budget(total_mb).retained(wanted)
    assert min(wanted, 1) <= kept <= wanted
    assert kept * 4096 * (STREAMS_KEPT + 2) <= Budget(total_mb).broker_mb * MIB // 2
