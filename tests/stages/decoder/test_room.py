"""The memory is shared by all that may be open at once: none takes what another may need."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.memory import LARGEST_WINDOW, MIB, SPARE_SLOTS, Budget
from pipeline.settings import FlowSettings
from stages.decoder.room import Room

FLOW: Final = FlowSettings()
HD: Final = 3 * 1920 * 1080


def room(megabytes: int = 4096, recordings: int = 0, cameras: int = 1) -> Room:
    return Room(FLOW, Budget(megabytes), recordings, cameras)


@pytest.mark.parametrize(("fps", "slots"), [(25, 50), (10, 20), (12.5, 25), (29.97, 60), (4, 8), (0.2, 8)])
def test_a_cameras_pictures_stay_for_two_seconds_and_there_are_a_few_of_the_slowest(fps: float, slots: int) -> None:
    assert room().slots(HD, fps) == slots


def test_where_memory_is_short_they_stay_for_less() -> None:
    assert 8 <= room(256).slots(HD, 25) < 50
    assert room(64, cameras=1).slots(HD, 25) < 10


def test_no_camera_keeps_more_pictures_than_a_recording_may_at_most() -> None:
    assert room(100_000).slots(1000, 1000) == room(100_000).window(1000) + SPARE_SLOTS


def test_too_little_for_a_few_pictures_is_said_with_what_would_do() -> None:
    with pytest.raises(ConfigError, match=r"memory_mb 128 is too small for frames of this size: set it to \d+"):
        room(128, cameras=16).slots(HD, 25)


def test_lanes_have_room_for_their_pieces_but_not_for_more_than_there_are_frames() -> None:
    shared = room(100_000, recordings=1, cameras=0)
    assert shared.window(1000) == LARGEST_WINDOW == shared.window(1000, 1, 9000)
    assert shared.window(1000, 4, 9000) == 4 * 256
    assert shared.window(1000, 4, 300) == 300
    assert shared.window(1000, 4, 20) == LARGEST_WINDOW == shared.window(1000, 4)


@given(st.integers(64, 5000), st.integers(0, 4), st.integers(0, 32), st.integers(1, 4 * HD), st.floats(0.1, 200))
def test_all_together_fit_into_the_memory(
    megabytes: int, recordings: int, cameras: int, slot_bytes: int, fps: float
) -> None:
    shared = room(megabytes, recordings, cameras)
    try:
        slots, window = shared.slots(slot_bytes, fps), shared.window(slot_bytes)
    except ConfigError:
        return
    used = cameras * slots * slot_bytes + recordings * (window + SPARE_SLOTS) * slot_bytes
    assert used <= shared.budget.rings_mb * MIB
