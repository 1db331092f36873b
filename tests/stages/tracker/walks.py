"""Objects with a number that walk as told, for what watches them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from pipeline.messages import Detections, EndOfSource, Event, FrameMeta
from stages.tracker.settings import TrackerSettings
from stages.tracker.watching import Happened, Watching

SOURCE: Final = "gate"
FPS: Final = 10
SIZE: Final = (1000, 1000)
Where: TypeAlias = tuple[float, float]


def frame_of(seq: int, *, live: bool = False, at_s: float | None = None) -> FrameMeta:
    pts_s = seq / FPS if at_s is None else at_s
    clock = {"timestamp_s": 1_700_000_000 + pts_s, "previous": seq - 1} if live else {}
    return FrameMeta(SOURCE, 1, seq, pts_s, *SIZE, **clock)  # type: ignore[arg-type]


def seen(frame: FrameMeta, people: Mapping[int, Where], names: Mapping[int, str] | None = None) -> Detections:
    """Return a frame in which these numbers stand at these places (the middles of their boxes' lower edges)."""
    boxes = [[x - 5, y - 20, x + 5, y] for x, y in people.values()]
    classes = [(names or {}).get(number, "car") for number in people]
    return Detections(
        frame=frame,
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        confidence=np.full(len(people), 0.9, np.float32),
        class_id=np.array([len(name) for name in classes], np.int32),
        class_name=tuple(classes),
        tracker_id=np.array(list(people), np.int64),
    )


class Stage:
    """A source that is watched; after each frame the watcher may be another one, with the state of the one before."""

    def __init__(self, settings: Mapping[str, Any], *, restarts: bool = False, live: bool = False) -> None:
        self.settings = TrackerSettings(**{"track_events": False, **settings})
        self.watching, self._restarts, self._live = Watching(SOURCE, self.settings), restarts, live
        self.seq, self.events = 0, list[Event]()
        self.happened: list[Happened] = []

    def see(
        self,
        people: Mapping[int, Where],
        *,
        names: Mapping[int, str] | None = None,
        alive: Sequence[int] | None = None,
        gap: bool = False,
        at_s: float | None = None,
    ) -> list[str]:
        """Show a frame, and return the kinds of its events; tracks of whoever is not in it end, unless `alive`."""
        if self._restarts:
            self.watching = Watching(SOURCE, self.settings, json.loads(json.dumps(self.watching.state())))
        frame = frame_of(self.seq, live=self._live, at_s=at_s)
        self.seq += 1
        happened = self.watching.see(seen(frame, people, names), {*people, *(alive or ())}, gap=gap)
        return self._note(happened)

    def end(self) -> list[str]:
        return self._note(self.watching.end(EndOfSource(SOURCE, 1, self.seq)))

    def walk(self, number: int, places: Sequence[Where]) -> list[str]:
        return [kind for place in places for kind in self.see({number: place})]

    def count(self, zone: str) -> tuple[int, int, int | None]:
        (found,) = [count for count in self.happened[-1].zones if count.zone == zone]
        return found.entered, found.left, found.inside

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def _note(self, happened: Happened) -> list[str]:
        self.happened.append(happened)
        self.events += happened.events
        return [event.kind for event in happened.events]
