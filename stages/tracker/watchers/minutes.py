"""How many there were, minute by minute: by class, in the picture, in zones, over lines."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from pipeline.messages import Event, MinuteCounts, MinuteRow

Place: TypeAlias = tuple[str | None, str]
"""Name of a zone or line, None for the picture; and a class."""

_MINUTE_MS: Final = 60_000
_ENTERED: Final = {"enter", "track_started"}
_LEFT: Final = {"exit", "track_ended"}


class Minutes:
    """Counts the minute that is going on."""

    def __init__(self, source: str, state: Mapping[str, Any] | None = None) -> None:
        self._source, state = source, state or {}
        self._start_ms: int | None = state.get("start_ms")
        self._frames = int(state.get("frames", 0))
        self._cells: dict[Place, list[int]] = {(zone, name): cell for zone, name, cell in state.get("cells", ())}
        """Of each: most at once, sum over the frames, entered, left."""

    def state(self) -> dict[str, Any]:
        """Return all that is to survive, as plain lists and maps."""
        cells = [[*place, cell] for place, cell in self._cells.items()]
        return {"start_ms": self._start_ms, "frames": self._frames, "cells": cells}

    def turn(self, at_ms: int) -> Iterator[MinuteCounts]:
        """Yield the minute before, if a time is in another one."""
        start_ms = at_ms // _MINUTE_MS * _MINUTE_MS
        if start_ms != self._start_ms:
            yield from self.close()
            self._start_ms = start_ms

    def add(self, here: Mapping[Place, int], events: Iterable[Event]) -> None:
        """Count a frame: who is where, and what it showed."""
        self._frames += 1
        for place, count in here.items():
            cell = self._cell(place)
            cell[0], cell[1] = max(cell[0], count), cell[1] + count
        self.note(events)

    def note(self, events: Iterable[Event]) -> None:
        """Count who came and went."""
        for event in events:
            if event.class_name is None or event.tracker_id is None:
                continue
            came = event.kind in _ENTERED or (event.kind == "crossed" and event.direction == "in")
            went = event.kind in _LEFT or (event.kind == "crossed" and event.direction == "out")
            if came or went:
                self._cell((event.zone, event.class_name))[2 if came else 3] += 1

    def close(self) -> Iterator[MinuteCounts]:
        """Yield the minute that is going on, and forget it."""
        if self._start_ms is not None and (self._frames or self._cells):
            rows = [_row(place, cell, self._frames) for place, cell in self._cells.items()]
            rows.sort(key=lambda row: (row.zone or "", row.class_name))
            yield MinuteCounts(self._source, self._start_ms / 1000, self._frames, tuple(rows))
        self._start_ms, self._frames, self._cells = None, 0, {}

    def _cell(self, place: Place) -> list[int]:
        return self._cells.setdefault(place, [0, 0, 0, 0])


def _row(place: Place, cell: list[int], frames: int) -> MinuteRow:
    most, total, entered, left = cell
    return MinuteRow(*place, most, round(total / max(frames, 1), 3), entered, left)
