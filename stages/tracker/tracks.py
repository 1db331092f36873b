"""Who is who from frame to frame: ByteTrack by `trackers`, with a state that survives a restart."""

from dataclasses import replace
from typing import Final

import numpy as np
import supervision as sv
from numpy.typing import NDArray
from trackers.core.bytetrack.tracklet import ByteTrackTracklet

from pipeline.messages import Detections
from stages.tracker.settings import ByteTrackSettings

_NOBODY: Final = -1
_COUNTERS: Final = (
    "age",
    "tracker_id",
    "time_since_update",
    "number_of_successful_consecutive_updates",
)
_ELAPSED: Final = "time_since_update_seconds"
_HEAD: Final = 5
"""Numbers before the first track's: next number, clock, usual gap, the clock of the tracker and of the last frame."""
_GAPS_WAITED: Final = 3.0
_GAP_SHARE: Final = 0.2
_LONGEST_GAP_S: Final = 10.0
"""A camera that was away for longer comes back to other objects."""
_LEAST_STEP_S: Final = 1e-3
"""`trackers` takes no frame at the time of the one before."""


class Tracks:
    """The tracks of one source; same frames in, same numbers out, also across a restart from `to_bytes`."""

    def __init__(self, settings: ByteTrackSettings, fps: float, state: bytes = b"") -> None:
        self._tracker, self._lost_s = settings.build(fps), settings.lost_s
        self._seen_s: float | None = None
        self._clock_s = self._gap_s = 0.0
        if state:
            self._restore(np.frombuffer(state, "<f8"))

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

    def to_bytes(self) -> bytes:
        """Return the state: the next number and clocks, then each track's counters and Kalman filter, as float64."""
        clocks = (self._tracker._last_timestamp, self._seen_s)
        known = [np.nan if clock is None else clock for clock in clocks]
        rows = [np.array([self._tracker._next_track_id, self._clock_s, self._gap_s, *known])]
        for track in self._tracker.tracks:
            rows.append(np.array([getattr(track, name) for name in (*_COUNTERS, _ELAPSED)]))
            rows.extend(array.ravel() for array in track.state_estimator.kf.get_state().values())
        return np.concatenate(rows).astype("<f8").tobytes()

    def _awake_s(self, at_s: float) -> float:
        """Return the time as tracks know it: it stands still while nothing moves, and never goes back.

        A camera that is looked at every two seconds must not lose its tracks after one: a few usual gaps are waited.
        """
        passed_s = max(0.0 if self._seen_s is None else at_s - self._seen_s, _LEAST_STEP_S)
        self._tracker.maximum_time_without_update = max(self._lost_s, _GAPS_WAITED * self._gap_s)
        self._gap_s += _GAP_SHARE * (min(passed_s, _LONGEST_GAP_S) - self._gap_s)
        self._seen_s = at_s
        self._clock_s += passed_s
        return self._clock_s

    def _restore(self, values: NDArray[np.float64]) -> None:
        self._tracker._next_track_id = int(values[0])
        self._clock_s, self._gap_s = float(values[1]), float(values[2])
        self._tracker._last_timestamp, self._seen_s = (None if np.isnan(x) else float(x) for x in values[3:_HEAD])
        shapes = {name: array.shape for name, array in _new_track().state_estimator.kf.get_state().items()}
        width = len(_COUNTERS) + 1 + sum(int(np.prod(shape)) for shape in shapes.values())
        self._tracker.tracks = [_track(row, shapes) for row in values[_HEAD:].reshape(-1, width)]


def _new_track() -> ByteTrackTracklet:
    return ByteTrackTracklet(np.array([0.0, 0.0, 1.0, 1.0]))


def _track(row: NDArray[np.float64], shapes: dict[str, tuple[int, ...]]) -> ByteTrackTracklet:
    track = _new_track()
    for name, value in zip(_COUNTERS, row, strict=False):
        setattr(track, name, int(value))
    setattr(track, _ELAPSED, float(row[len(_COUNTERS)]))
    cuts = np.cumsum([len(_COUNTERS) + 1, *(int(np.prod(shape)) for shape in shapes.values())])
    parts = zip(shapes.items(), cuts, cuts[1:], strict=False)
    track.state_estimator.kf.set_state({name: row[i:j].reshape(shape) for (name, shape), i, j in parts})
    return track
