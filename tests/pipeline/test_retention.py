"""What stays for late readers is bounded by number, time and size, for all sources or for some."""

import pytest

from pipeline.connect import retention
from pipeline.retention import Retention, RetentionSettings
from pipeline.settings import FlowSettings, KernelSettings


@pytest.mark.parametrize(
    ("kept", "entries"),
    [(Retention(1000), 1000), (Retention(1000, mb=1), 485), (Retention(10, mb=1), 10), (Retention(1000, mb=1e-6), 1)],
)
def test_the_least_of_number_and_size_counts(kept: Retention, entries: int) -> None:
    assert kept.entries(2000) == entries


def test_time_is_counted_back_from_the_newest_entry() -> None:
    assert Retention(1000).oldest_ms(50_000) is None
    assert Retention(1000, seconds=1.5).oldest_ms(50_000) == 48_500


def test_of_a_recording_time_is_counted_in_frames() -> None:
    assert Retention(1000).of_a_recording(25) == 1000
    assert Retention(1000, seconds=2).of_a_recording(25) == 50
    assert Retention(1000, seconds=60, mb=1).of_a_recording(25) == 246


def test_sources_may_have_their_own_and_memory_bounds_them_all() -> None:
    own = {"gate": RetentionSettings(frames=9000, seconds=60), "yard*": RetentionSettings(mb=3)}
    flow = FlowSettings(retain=500, retention=own | {"*": RetentionSettings(seconds=10)})
    settings = KernelSettings(flow=flow)
    assert retention(settings, "gate") == Retention(9000, 60, None)
    assert retention(settings, "yard-2") == Retention(500, None, 3)
    assert retention(settings, "side") == Retention(500, 10, None)
    assert retention(KernelSettings(flow=flow, memory_mb=256), "gate").frames < 1000
