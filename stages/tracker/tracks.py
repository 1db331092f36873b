"""Who is who from frame to frame: a tracker of `trackers`, with a state that survives a restart."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import supervision as sv

from pipeline.messages import Detections
from stages.tracker.settings import TrackingSettings

_NOBODY: Final = -1
_OF_THE_TRACKER: Final = ("_next_track_id", "_last_timestamp", "frame_count", "frame_id")
"""What a tracker keeps beside its tracks; each kind has some of these."""
_FILTER: Final = "state_estimator"
_GAPS_WAITED: Final = 3.0
_GAP_SHARE: Final = 0.2
_LONGEST_GAP_S: Final = 10.0
"""A camera that was away for longer comes back to other objects."""
_LEAST_STEP_S: Final = 1e-3
"""`trackers` takes no frame at the time of the one before."""


class Tracks:
    """The tracks of one source; same frames in, same numbers out, also across a restart from `state`."""

    def __init__(self, settings: TrackingSettings, fps: float, state: dict[str, Any] | None = None) -> None:
        self._settings = settings
        self._tracker: Any = settings.build(fps)
        self._seen_s: float | None = None
        self._clock_s = self._gap_s = 0.0
        self.gap = False
        """Whether the last frame came after half of what a track is granted, or more: some may have ended unseen."""
        if state is not None:
            self._restore(state)

    @property
    def alive(self) -> set[int]:
        """The numbers of the tracks that have one, and have not ended."""
        return {int(track.tracker_id) + 1 for track in self._tracker.tracks if track.tracker_id != _NOBODY}

    def update(self, found: Detections, at_s: float | None = None) -> Detections:
        """Return the detections in the same order, each with its track's number, from 1; -1 where there is none yet.

        `at_s` is the frame's time, seconds, where frames may be missing; without it frames are evenly spaced.
        """
        timestamp = None if at_s is None else self._awake_s(at_s)
        order = np.arange(len(found))  # `trackers` gives the detections back in another order: this finds them again
        detections = sv.Detections(found.xyxy, confidence=found.confidence, class_id=order)
        tracked = self._tracker.update(detections, timestamp=timestamp)
        tracker_id = np.full(len(found), _NOBODY, np.int64)
        if tracked.class_id is not None and tracked.tracker_id is not None:
            tracker_id[tracked.class_id] = tracked.tracker_id
        return replace(found, tracker_id=np.where(tracker_id == _NOBODY, _NOBODY, tracker_id + 1))

    def rest(self, at_s: float | None) -> None:
        """Note a frame in which nothing moved, and that nobody looked at: all tracks stay as they are."""
        self._seen_s = at_s

    def forget(self) -> None:
        """End all tracks; their numbers are not given again."""
        self._tracker.tracks = []

    def state(self) -> dict[str, Any]:
        """Return all that is to survive: the next number, clocks, and each track with its Kalman filter."""
        tracker = {name: getattr(self._tracker, name) for name in _OF_THE_TRACKER if hasattr(self._tracker, name)}
        clocks = [self._clock_s, self._gap_s, self._seen_s]
        tracks = [_state_of(track) for track in self._tracker.tracks]
        return {"kind": self._settings.kind, "tracker": tracker, "clocks": clocks, "tracks": tracks}

    def _awake_s(self, at_s: float) -> float:
        """Return the time as tracks know it: it stands still while nothing moves, and never goes back.

        A camera that is looked at every two seconds must not lose its tracks after one: a few usual gaps are waited.
        """
        passed_s = max(0.0 if self._seen_s is None else at_s - self._seen_s, _LEAST_STEP_S)
        waited_s = max(self._settings.lost_s, _GAPS_WAITED * self._gap_s)
        self._tracker.maximum_time_without_update = waited_s
        self.gap = passed_s > waited_s / 2
        self._gap_s += _GAP_SHARE * (min(passed_s, _LONGEST_GAP_S) - self._gap_s)
        self._seen_s = at_s
        self._clock_s += passed_s
        return self._clock_s

    def _restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; another kind of tracker gives new numbers, greater than those that were given."""
        self._tracker._next_track_id = state["tracker"]["_next_track_id"]
        if state["kind"] != self._settings.kind:
            return
        for name, value in state["tracker"].items():
            setattr(self._tracker, name, value)
        self._clock_s, self._gap_s, self._seen_s = state["clocks"]
        self._tracker.tracks = [self._track(track) for track in state["tracks"]]

    def _track(self, state: dict[str, Any]) -> Any:
        track = self._settings.tracklet()
        track.state_estimator.kf.set_state(state[_FILTER])
        vars(track).update({name: value for name, value in state.items() if name != _FILTER})
        return track


def _state_of(track: Any) -> dict[str, Any]:
    state: dict[str, Any] = vars(track) | {_FILTER: track.state_estimator.kf.get_state()}
    return state
