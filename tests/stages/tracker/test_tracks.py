"""Numbers of objects: the same for the same frames, wherever a restart falls."""

import typing
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.messages import Detections, FrameMeta
from stages.tracker.freezing import freeze, thaw
from stages.tracker.settings import TrackingSettings
from stages.tracker.trackers.bytetrack import ByteTrackSettings
from stages.tracker.trackers.cbiou import CBIoUSettings
from stages.tracker.trackers.ocsort import OcSortSettings
from stages.tracker.trackers.sort import SortSettings
from stages.tracker.tracks import Tracks
from tests.stages.tracker.scenes import FPS, scene

SETTINGS = ByteTrackSettings()


KINDS: Final[dict[str, type[Any]]] = {
    "bytetrack": ByteTrackSettings,
    "sort": SortSettings,
    "ocsort": OcSortSettings,
    "cbiou": CBIoUSettings,
}


def test_each_kind_of_tracker_that_can_be_set_is_tested_here() -> None:
    assert set(KINDS.values()) == set(typing.get_args(TrackingSettings))


def restarted(tracks: Tracks, wanted: TrackingSettings) -> Tracks:
    return Tracks(wanted, FPS, thaw(freeze(tracks.state())))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("timed", [False, True])
@given(st.integers(0, 1000), st.integers(1, 4), st.sampled_from([0.0, 0.2, 1.0]))
@settings(max_examples=4, deadline=None)
def test_tracks_restored_after_any_frame_go_on_exactly_as_if_nothing_had_happened(
    kind: str, timed: bool, seed: int, consecutive: int, lost_s: float
) -> None:
    wanted = KINDS[kind](kind=kind, consecutive_frames=consecutive, lost_s=lost_s)
    whole, restored = Tracks(wanted, FPS), Tracks(wanted, FPS)
    for found in scene(seed, 40):
        restored = restarted(restored, wanted)
        at_s = found.frame.pts_s if timed else None
        assert restored.update(found, at_s).tracker_id.tolist() == whole.update(found, at_s).tracker_id.tolist()
        assert restored.alive == whole.alive
        assert freeze(restored.state()) == freeze(whole.state())


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_is_never_given_twice_not_even_by_another_kind_of_tracker(kind: str) -> None:
    tracks = Tracks(SETTINGS, FPS)
    given_before = {int(number) for found in scene(1, 40) for number in tracks.update(found).tracker_id}
    other = KINDS[kind](kind=kind)
    tracks = Tracks(other, FPS, thaw(freeze(tracks.state())))
    tracks.forget()
    given_after = {int(number) for found in scene(2, 40) for number in tracks.update(found).tracker_id}
    assert given_before & given_after == {-1}
    assert max(given_after) > max(given_before)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_follows_objects_that_move_evenly(kind: str) -> None:
    tracks = Tracks(KINDS[kind](kind=kind), FPS)
    numbers = [tracks.update(seen(100 + 4 * step, 900 - 4 * step)).tracker_id.tolist() for step in range(30)]
    assert numbers[5:] == [[1, 2]] * 25
    assert tracks.alive == {1, 2}


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
    assert len(freeze(Tracks(SETTINGS, FPS).state())) < 200


def seen(*lefts: float) -> Detections:
    """Return objects of one size, far apart, each at a distance from the left."""
    count = len(lefts)
    boxes = [[left, 100 * number, left + 60, 100 * number + 60] for number, left in enumerate(lefts)]
    return Detections(
        frame=FrameMeta("gate", 1, 0, 0.0, 2000, 1000, previous=-1),
        xyxy=np.array(boxes, np.float32).reshape(count, 4),
        confidence=np.full(count, 0.9, np.float32),
        class_id=np.zeros(count, np.int32),
        class_name=("car",) * count,
        tracker_id=np.full(count, -1, np.int64),
    )


NOBODY: Final = seen()
START_S: Final = 1_700_000_000.0


def ids(tracks: Tracks, found: Detections, at_s: float) -> list[int]:
    return [int(number) for number in tracks.update(found, at_s).tracker_id]


def settled(at_s: float = START_S, fps: float = 25.0) -> tuple[Tracks, float]:
    """Return tracks that know one object that stands still, and the time of its last frame."""
    tracks = Tracks(SETTINGS, fps)
    for number in range(10):
        ids(tracks, seen(100), at_s + number / fps)
    return tracks, at_s + 9 / fps


def test_an_object_that_is_away_for_less_than_is_granted_keeps_its_number() -> None:
    tracks, at_s = settled()
    for number in range(1, 20):
        ids(tracks, NOBODY, at_s + number / 25)
    assert ids(tracks, seen(100), at_s + 0.9) == [1]


def test_an_object_that_is_away_for_longer_is_another_one() -> None:
    tracks, at_s = settled()
    for number in range(1, 50):
        ids(tracks, NOBODY, at_s + number / 25)
    found = [ids(tracks, seen(100), at_s + 2 + number / 25) for number in range(3)]
    assert found[-1] == [2]


@pytest.mark.parametrize("dropped", [0, 4, 11])
def test_frames_that_are_left_out_make_an_object_no_faster(dropped: int) -> None:
    tracks, step = Tracks(SETTINGS, 25.0), 1 + dropped
    found = [ids(tracks, seen(100 + 3.0 * number), START_S + number / 25) for number in range(0, 20 * step, step)]
    assert found[3:] == [[1]] * len(found[3:])


def test_rest_costs_no_track_however_long_it_is() -> None:
    tracks, at_s = settled()
    for number in range(1, 10_000):
        tracks.rest(at_s + number / 25)
    assert ids(tracks, seen(100), at_s + 10_000 / 25) == [1]


def test_the_same_time_without_rest_costs_it() -> None:
    tracks, at_s = settled()
    found = [ids(tracks, seen(100), at_s + 400 + number / 25) for number in range(3)]
    assert found[-1] == [2]


def test_rest_of_an_unknown_time_is_rest() -> None:
    tracks, at_s = settled()
    tracks.rest(None)
    assert ids(tracks, seen(100), at_s + 500) == [1]


@pytest.mark.parametrize("gap_s", [0.2, 1.5, 3.0, 9.0])
def test_a_camera_that_is_looked_at_rarely_keeps_its_tracks(gap_s: float) -> None:
    tracks = Tracks(SETTINGS, 25.0)
    found = [ids(tracks, seen(100), START_S + gap_s * number) for number in range(40)]
    last = found[-1]
    assert last != [-1] and found[-20:] == [last] * 20


def test_a_time_that_goes_back_or_stands_still_loses_nobody() -> None:
    tracks, at_s = settled()
    for back_s in (0.0, 0.5, 0.5, 0.2, 0.0):
        assert ids(tracks, seen(100), at_s - back_s) == [1]


steps = st.lists(
    st.tuples(st.sampled_from(["see", "miss", "rest", "rest"]), st.floats(0.0, 3.0), st.floats(0, 50)), max_size=30
)


@given(steps)
@settings(max_examples=25, deadline=None)
def test_a_restart_after_any_frame_changes_no_number_of_a_camera(course: list[tuple[str, float, float]]) -> None:
    whole, restored, at_s = Tracks(SETTINGS, FPS), Tracks(SETTINGS, FPS), START_S
    for act, passed_s, left in course:
        at_s += passed_s
        restored = restarted(restored, SETTINGS)
        if act == "rest":
            whole.rest(at_s)
            restored.rest(at_s)
        else:
            found = seen(100 + left, 900 - left) if act == "see" else NOBODY
            assert ids(restored, found, at_s) == ids(whole, found, at_s)
        assert freeze(restored.state()) == freeze(whole.state())


def test_a_gap_is_what_is_longer_than_usual_and_no_rest() -> None:
    tracks, at_s = settled()
    gaps = [tracks.gap]
    for later_s in (0.4, 300.04, 330.0, 330.04):  # cameras pause around their keyframes for 0.4 s
        if later_s == 300.04:
            tracks.rest(at_s + 300)
        ids(tracks, seen(100), at_s + later_s)
        gaps.append(tracks.gap)
    assert gaps == [False, False, False, True, False]


def test_a_camera_that_is_looked_at_rarely_has_no_gaps_but_longer_ones() -> None:
    tracks = Tracks(SETTINGS, 25.0)
    gaps = []
    for number in range(20):
        ids(tracks, seen(100), START_S + 2.0 * number)
        gaps.append(tracks.gap)
    assert not any(gaps[10:])
    ids(tracks, seen(100), START_S + 60)
    assert tracks.gap
