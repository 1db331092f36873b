"""Numbers of objects: the same for the same frames, wherever a restart falls."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.tracker.settings import ByteTrackSettings
from stages.tracker.tracks import Tracks
from tests.stages.tracker.scenes import FPS, scene

SETTINGS = ByteTrackSettings()


@given(st.integers(0, 1000), st.integers(1, 4), st.sampled_from([0.0, 0.2, 1.0]))
@settings(max_examples=8, deadline=None)
def test_tracks_restored_after_any_frame_go_on_exactly_as_if_nothing_had_happened(
    seed: int, consecutive: int, lost_s: float
) -> None:
    wanted = ByteTrackSettings(consecutive_frames=consecutive, lost_s=lost_s)
    whole, restored = Tracks(wanted, FPS), Tracks(wanted, FPS)
    for found in scene(seed, 40):
        restored = Tracks(wanted, FPS, restored.to_bytes())
        assert restored.update(found).tracker_id.tolist() == whole.update(found).tracker_id.tolist()
        assert restored.to_bytes() == whole.to_bytes()


@pytest.mark.parametrize("seed", range(3))
def test_an_object_keeps_its_number_and_numbers_count_from_one(seed: int) -> None:
    tracks, seen = Tracks(SETTINGS, FPS), set()
    for found in scene(seed, 60):
        tracked = tracks.update(found)
        assert (tracked.xyxy == found.xyxy).all() and tracked.class_name == found.class_name
        confirmed = tracked.tracker_id[tracked.tracker_id >= 0].tolist()
        assert len(confirmed) == len(set(confirmed))
        seen |= set(confirmed)
    assert min(seen) == 1 and max(seen) == len(seen)


def test_one_object_that_stays_is_one_number() -> None:
    tracks, meta = Tracks(SETTINGS, FPS), scene(0, 1)[0].frame
    ids = []
    for seq in range(20):
        found = scene(0, 1)[0]
        box = np.array([[10 + 2 * seq, 10, 50 + 2 * seq, 90]], np.float32)
        one = replace(found, frame=replace(meta, seq=seq), xyxy=box, confidence=np.array([0.9], np.float32))
        one = replace(one, class_id=np.zeros(1, np.int32), class_name=("a",), tracker_id=np.array([-1]))
        ids += tracks.update(one).tracker_id.tolist()
    assert set(ids[2:]) == {1}


def test_a_new_source_has_no_state_to_speak_of() -> None:
    assert len(Tracks(SETTINGS, FPS).to_bytes()) < 64
