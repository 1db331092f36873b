"""One line of a source: who crosses it, and which way."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Event, ZoneCount
from stages.tracker.geometry import Tripwire, anchors, rounded
from stages.tracker.places import LineSettings
from stages.tracker.sight import Seen, Sight


class LineWatch:
    """Follows each track from where it last was on one side for sure.

    An object that trembles on the line has not crossed it until it has stayed beyond; one whose track ends beyond has.
    """

    def __init__(self, settings: LineSettings, state: Mapping[str, Any] | None = None) -> None:
        self.settings, state = settings, state or {}
        self._hold_ms = round(settings.debounce_s * 1000)
        self._size, self._points = (0, 0), settings.line
        self._wire = Tripwire(settings.line)
        self._walkers: dict[int, list[Any]] = {int(key): walker for key, walker in state.get("walkers", {}).items()}
        """By number: x and y where it was for sure, which way it seems to have crossed since, and since when."""
        self._in, self._out = state.get("counts", (0, 0))

    def state(self) -> dict[str, Any]:
        """Return all that is to survive, as plain lists and maps."""
        walkers = {str(number): walker for number, walker in self._walkers.items()}
        return {"walkers": walkers, "counts": [self._in, self._out]}

    def watch(self, sight: Sight) -> Iterator[Event]:
        """Yield what a frame shows."""
        for seen in sight.gone:
            walker = self._walkers.pop(seen.tracker_id, None)
            if walker is not None and walker[2]:
                yield self._crossed(sight, seen, walker[2])
        places = anchors(sight.xyxy, self.settings.anchor)
        moves = self._moves(sight, places)
        for seen, place, way in zip(sight.here, places.tolist(), moves.tolist(), strict=True):
            if seen.tracker_id in self._walkers or self._counts(seen):
                yield from self._follow(sight, seen, place, way)

    def count(self) -> ZoneCount:
        """Return what is counted so far."""
        return ZoneCount(self.settings.name, self._in, self._out, points=rounded(self._points))

    def _moves(self, sight: Sight, places: NDArray[np.float64]) -> NDArray[np.int64]:
        size = sight.frame.width, sight.frame.height
        if self._size != size:
            self._size, self._points = size, self.settings.pixels(self.settings.line, *size)
            self._wire = Tripwire(self._points)
        known = [self._walkers.get(seen.tracker_id, place) for seen, place in zip(sight.here, places, strict=True)]
        before = np.array([place[:2] for place in known], np.float64).reshape(-1, 2)
        return self._wire.crossings(before, places)

    def _counts(self, seen: Seen) -> bool:
        return not self.settings.classes or seen.class_name in self.settings.classes

    def _follow(self, sight: Sight, seen: Seen, place: list[float], way: int) -> Iterator[Event]:
        walker = self._walkers.get(seen.tracker_id)
        if walker is None or not way:
            self._walkers[seen.tracker_id] = [*place, 0, 0]
            return
        if walker[2] != way:
            walker[2:] = [way, sight.at_ms]
        if sight.at_ms - walker[3] >= self._hold_ms:
            self._walkers[seen.tracker_id] = [*place, 0, 0]
            yield self._crossed(sight, seen, way)

    def _crossed(self, sight: Sight, seen: Seen, way: int) -> Event:
        self._in, self._out = self._in + (way > 0), self._out + (way < 0)
        direction = "in" if way > 0 else "out"
        return sight.event("crossed", seen, zone=self.settings.name, direction=direction)
