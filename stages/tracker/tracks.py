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


class Tracks:
    """The tracks of one source; same frames in, same numbers out, also across a restart from `to_bytes`."""

    def __init__(self, settings: ByteTrackSettings, fps: float, state: bytes = b"") -> None:
        self._tracker = settings.build(fps)
        if state:
            self._restore(np.frombuffer(state, "<f8"))

    def update(self, found: Detections) -> Detections:
        """Return the detections in the same order, each with its track's number, from 1; -1 where there is none yet."""
        order = np.arange(len(found))  # `trackers` gives the detections back in another order: this finds them again
        tracked = self._tracker.update(sv.Detections(found.xyxy, confidence=found.confidence, class_id=order))
        tracker_id = np.full(len(found), _NOBODY, np.int64)
        if tracked.class_id is not None and tracked.tracker_id is not None:
            tracker_id[tracked.class_id] = tracked.tracker_id
        return replace(found, tracker_id=np.where(tracker_id == _NOBODY, _NOBODY, tracker_id + 1))

    def to_bytes(self) -> bytes:
        """Return the state: the next number, then each track's counters and Kalman filter, as little-endian float64."""
        rows = [np.array([self._tracker._next_track_id], "<f8")]
        for track in self._tracker.tracks:
            rows.append(np.array([getattr(track, name) for name in _COUNTERS], "<f8"))
            rows.extend(array.ravel() for array in track.state_estimator.kf.get_state().values())
        return np.concatenate(rows).astype("<f8").tobytes()

    def _restore(self, values: NDArray[np.float64]) -> None:
        self._tracker._next_track_id = int(values[0])
        shapes = {name: array.shape for name, array in _new_track().state_estimator.kf.get_state().items()}
        width = len(_COUNTERS) + sum(int(np.prod(shape)) for shape in shapes.values())
        self._tracker.tracks = [_track(row, shapes) for row in values[1:].reshape(-1, width)]


def _new_track() -> ByteTrackTracklet:
    return ByteTrackTracklet(np.array([0.0, 0.0, 1.0, 1.0]))


def _track(row: NDArray[np.float64], shapes: dict[str, tuple[int, ...]]) -> ByteTrackTracklet:
    track = _new_track()
    for name, value in zip(_COUNTERS, row, strict=False):
        setattr(track, name, int(value))
    cuts = np.cumsum([len(_COUNTERS), *(int(np.prod(shape)) for shape in shapes.values())])
    parts = zip(shapes.items(), cuts, cuts[1:], strict=False)
    track.state_estimator.kf.set_state({name: row[i:j].reshape(shape) for (name, shape), i, j in parts})
    return track
