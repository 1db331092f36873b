"""Everybody who has a number: when they came, where they went, what they were taken for."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.messages import Detections, Event
from stages.tracker.sight import Seen, Sight

_POINTS: Final = 20
"""Of a path, at most; then every second one goes."""
_STEP_SHARE: Final = 0.01
"""Of the picture's diagonal: what is nearer to the point before is none of its own."""


class Roster:
    """The tracks that have begun and not ended."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._tracks: dict[int, dict[str, Any]] = {int(key): track for key, track in (state or {}).items()}
        self._new: list[int] = []

    def state(self) -> dict[str, Any]:
        """Return all that is to survive, as plain lists and maps."""
        return {str(number): track for number, track in self._tracks.items()}

    def take(self, found: Detections, at_ms: int) -> tuple[Seen, ...]:
        """Note who is in a frame, and return them."""
        self._new = []
        rows = zip(
            found.tracker_id.tolist(),
            found.class_id.tolist(),
            found.class_name,
            found.confidence.tolist(),
            found.xyxy.tolist(),
            strict=True,
        )
        step = _STEP_SHARE * math.hypot(found.frame.width, found.frame.height)
        return tuple(self._note(row, found.frame.pts_s, at_ms, step) for row in rows if row[0] > 0)

    def drop(self, alive: set[int]) -> tuple[Seen, ...]:
        """Return those whose tracks are over; they are known until `forget`."""
        return tuple(self._last(number) for number in self._tracks if number not in alive)

    def begun(self, sight: Sight) -> Iterator[Event]:
        """Yield the begin of each track that is new in this frame."""
        new = set(self._new)
        yield from (sight.event("track_started", seen) for seen in sight.here if seen.tracker_id in new)

    def ended(self, sight: Sight) -> Iterator[Event]:
        """Yield the end of each track that is over, and forget it."""
        for seen in sight.gone:
            track = self._tracks.pop(seen.tracker_id)
            path = [*track["path"], track["last"]] if track["path"][-1] != track["last"] else track["path"]
            duration_s = (track["last_ms"] - track["first_ms"]) / 1000
            more = {"duration_s": duration_s, "path": tuple(tuple(point) for point in path)}
            yield sight.event("track_ended", seen, **more)

    def _note(self, row: tuple[Any, ...], pts_s: float, at_ms: int, step: float) -> Seen:
        number, class_id, name, confidence, xyxy = row
        box = tuple(round(side, 2) for side in xyxy)
        track = self._tracks.get(number) or self._begin(number, at_ms, step)
        track["votes"].setdefault(name, [0, class_id])[0] += 1
        track["best"] = max(track["best"], round(confidence, 4))
        track["last_ms"], track["box"] = at_ms, box
        _extend(track, [round(round(pts_s, 6), 3), round((box[0] + box[2]) / 2, 1), round(box[3], 1)])
        known = self._last(number)
        return Seen(number, known.class_id, known.class_name, round(confidence, 4), known.xyxy)

    def _begin(self, number: int, at_ms: int, step: float) -> dict[str, Any]:
        self._new.append(number)
        self._tracks[number] = {"first_ms": at_ms, "best": 0.0, "votes": {}, "path": [], "step": step}
        return self._tracks[number]

    def _last(self, number: int) -> Seen:
        """Return somebody as last seen, with the best confidence."""
        track = self._tracks[number]
        name = max(track["votes"], key=lambda name: track["votes"][name][0])  # the first one of equals
        left, top, right, bottom = track["box"]
        return Seen(number, track["votes"][name][1], name, track["best"], (left, top, right, bottom))


def _extend(track: dict[str, Any], point: list[float]) -> None:
    """Add a point to a path if it is far enough from the one before; a path that grows too long gets coarser."""
    path, track["last"] = track["path"], point
    if path and math.dist(path[-1][1:], point[1:]) < track["step"]:
        return
    path.append(point)
    if len(path) > _POINTS:
        track["path"], track["step"] = path[::2], track["step"] * 2
