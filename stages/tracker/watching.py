"""What happens in front of one source: its tracks, zones, lines and minutes, with a state that survives a restart."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.messages import Detections, EndOfSource, Event, FrameMeta, MinuteCounts, ZoneCount
from stages.tracker.settings import TrackerSettings
from stages.tracker.sight import Sight
from stages.tracker.watchers.line import LineWatch
from stages.tracker.watchers.minutes import Minutes, Place
from stages.tracker.watchers.roster import Roster
from stages.tracker.watchers.zone import ZoneWatch


@dataclass(frozen=True, slots=True)
class Happened:
    """What a frame, or the end, has brought."""

    events: tuple[Event, ...] = ()
    minutes: tuple[MinuteCounts, ...] = ()
    zones: tuple[ZoneCount, ...] = ()


class Watching:
    """Same frames in, same events out with the same IDs, also across a restart from `state`.

    Only frames that were looked at count: one that failed or was skipped moves nobody.
    """

    def __init__(self, source: str, settings: TrackerSettings, state: dict[str, Any] | None = None) -> None:
        self._settings, known = settings, state or {}
        zones, lines = known.get("zones", {}), known.get("lines", {})
        self._roster = Roster(known.get("roster"))
        self._zones = [ZoneWatch(zone, zones.get(zone.name)) for zone in settings.zones if zone.applies_to(source)]
        self._lines = [LineWatch(line, lines.get(line.name)) for line in settings.lines if line.applies_to(source)]
        self._places: list[ZoneWatch | LineWatch] = [*self._zones, *self._lines]
        self._minutes = Minutes(source, known.get("minutes"))
        self._at_ms = int(known.get("at_ms", 0))
        last = known.get("frame")
        self._frame = None if last is None else FrameMeta(**last)
        """The last one that was looked at."""

    def state(self) -> dict[str, Any]:
        """Return all that is to survive."""
        return {
            "roster": self._roster.state(),
            "zones": {zone.settings.name: zone.state() for zone in self._zones},
            "lines": {line.settings.name: line.state() for line in self._lines},
            "minutes": self._minutes.state(),
            "at_ms": self._at_ms,
            "frame": None if self._frame is None else asdict(self._frame),
        }

    def see(self, found: Detections, alive: set[int], *, gap: bool = False) -> Happened:
        """Return what a frame that was looked at shows.

        `alive`: the tracks that have not ended; `gap`: see `Tracks.gap`.
        """
        at_ms, self._frame = self._time_ms(found.frame), found.frame
        here = self._roster.take(found, at_ms)
        sight = Sight(found.frame, at_ms, here, self._roster.drop(alive), gap)
        minutes = tuple(self._minutes.turn(at_ms))
        events = self._numbered(self._all_of(sight), found.frame)
        self._minutes.add(self._who_is_where(sight), events)
        counts = tuple(place.count() for place in self._places)
        return Happened(self._told(events), minutes if self._settings.minutes else (), counts)

    def end(self, end: EndOfSource) -> Happened:
        """Return what the end brings: all tracks end, and nobody has left any zone."""
        if self._frame is None:
            return Happened()
        frame = replace(self._frame, epoch=end.epoch, seq=end.frames)
        sight = Sight(frame, self._time_ms(frame), (), self._roster.drop(set()), gap=True)
        events = self._numbered(self._all_of(sight), frame)
        self._minutes.note(events)
        return Happened(self._told(events), tuple(self._minutes.close()) if self._settings.minutes else ())

    def _all_of(self, sight: Sight) -> Iterator[Event]:
        yield from self._roster.begun(sight)
        for place in self._places:
            yield from place.watch(sight)
        yield from self._roster.ended(sight)

    def _who_is_where(self, sight: Sight) -> Counter[Place]:
        found: Counter[Place] = Counter((None, seen.class_name) for seen in sight.here)
        for zone in self._zones:
            found.update({(zone.settings.name, name): count for name, count in zone.classes().items()})
        return found

    def _numbered(self, events: Iterable[Event], frame: FrameMeta) -> list[Event]:
        """Give events their IDs. A camera's numbers may begin anew, never its time; a recording is what it is."""
        clock = "" if frame.previous is None else f"{round((frame.timestamp_s or frame.pts_s) * 1000)}-"
        return [self._named(event, f"{clock}{frame.seq}-{number}") for number, event in enumerate(events)]

    def _named(self, event: Event, name: str) -> Event:
        wanted = event.kind in self._settings.snapshots
        return replace(
            event,
            id=f"{event.source}/{name}",
            snapshot=f"{event.source}.events/{name}.jpg" if wanted else None,
        )

    def _told(self, events: Iterable[Event]) -> tuple[Event, ...]:
        return tuple(event for event in events if self._settings.track_events or not event.kind.startswith("track_"))

    def _time_ms(self, frame: FrameMeta) -> int:
        clock_s = frame.pts_s if frame.previous is None or frame.timestamp_s is None else frame.timestamp_s
        # What is told again after a crash comes from lines, which have six digits.
        self._at_ms = max(self._at_ms, round(round(clock_s, 6) * 1000))
        return self._at_ms
