"""Tracks: their begin, and at their end all that was known of them."""

from typing import Any, Final

import pytest

from tests.stages.tracker.walks import Stage

TRACKS: Final[dict[str, Any]] = {"track_events": True}


@pytest.mark.parametrize("restarts", [False, True])
def test_a_track_is_told_when_it_begins_and_when_it_has_ended(restarts: bool) -> None:
    scene = Stage(TRACKS, restarts=restarts)
    for step in range(11):
        assert scene.see({7: (100 + 10.0 * step, 500)}) == (["track_started"] if step == 0 else [])
    assert scene.see({}, alive=[7]) == []
    assert scene.see({}) == ["track_ended"]
    ended = scene.events[-1]
    assert ended.tracker_id == 7
    assert ended.duration_s == pytest.approx(1.0)
    assert ended.path is not None
    assert ended.path[0] == (0.0, 100.0, 500.0) and ended.path[-1] == (1.0, 200.0, 500.0)


def test_what_a_track_is_taken_for_most_often_is_what_it_is() -> None:
    scene = Stage(TRACKS)
    for name in ["truck", "car", "car", "truck", "car"]:
        scene.see({7: (100, 500)}, names={7: name})
    scene.see({})
    assert (scene.events[-1].class_name, scene.events[-1].class_id) == ("car", 3)
    assert scene.events[-1].confidence == pytest.approx(0.9)


def test_a_path_is_thinned_and_stays_short_however_long_the_track() -> None:
    scene = Stage(TRACKS)
    for step in range(2000):
        scene.see({7: (500.0 + 400 * (step % 100) / 100, 500.0)})
    scene.see({})
    path = scene.events[-1].path
    assert path is not None and 5 < len(path) <= 21
    times = [at_s for at_s, _, _ in path]
    assert times == sorted(times) and times[-1] == pytest.approx(199.9)


def test_who_stands_still_leaves_no_path_but_a_place() -> None:
    scene = Stage(TRACKS)
    scene.walk(7, [(500, 500), (501, 500), (500, 501)] * 10)
    scene.see({})
    path = scene.events[-1].path
    assert path is not None and len(path) == 2


def test_all_tracks_end_with_the_recording() -> None:
    scene = Stage(TRACKS)
    scene.see({1: (100, 100), 2: (200, 200)})
    assert scene.end() == ["track_ended", "track_ended"]
    assert [event.seq for event in scene.events[2:]] == [1, 1]
    assert scene.end() == []


def test_an_end_after_a_restart_knows_whose_tracks_it_ends() -> None:
    scene = Stage(TRACKS, restarts=True)
    scene.walk(1, [(100, 100)] * 3)
    scene.see({1: (100, 100)})
    assert scene.end() == ["track_ended"]


def test_a_source_of_which_nothing_was_seen_ends_quietly() -> None:
    assert Stage(TRACKS).end() == []


def test_ids_of_a_camera_hold_the_time_as_its_numbers_may_begin_anew() -> None:
    recording, camera = Stage(TRACKS), Stage(TRACKS, live=True)
    recording.see({1: (100, 100)})
    camera.see({1: (100, 100)})
    assert recording.events[0].id == "gate/0-0"
    assert camera.events[0].id == "gate/1700000000000-0-0"


def test_a_picture_is_named_where_one_is_wanted() -> None:
    scene = Stage({**TRACKS, "snapshots": ("track_started",)})
    scene.see({1: (100, 100)})
    scene.see({})
    assert [event.snapshot for event in scene.events] == ["gate.events/0-0.jpg", None]
