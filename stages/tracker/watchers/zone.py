"""One zone of a source: who enters and leaves, who stays, how many there are, which classes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.messages import Event, ZoneCount
from stages.tracker.geometry import Area, anchors, rounded
from stages.tracker.places import Point, ZoneSettings
from stages.tracker.sight import Seen, Sight
from stages.tracker.watchers.debounce import Debounced

_GAP_HOLD_MS: Final = 1000
"""After a gap: how long nobody is missed, as tracks begin anew."""


class ZoneWatch:
    """Follows each track in and out of a zone."""

    def __init__(self, settings: ZoneSettings, state: Mapping[str, Any] | None = None) -> None:
        self.settings, state = settings, state or {}
        self._hold_ms = round(settings.debounce_s * 1000)
        self._size, self._area = (0, 0), Area(None)
        self._corners: tuple[Point, ...] = ()
        members = state.get("members", {})
        self._members = {int(key): _Member(self._hold_ms, member) for key, member in members.items()}
        self._entered, self._left = state.get("counts", (0, 0))
        self._crowded = Debounced(self._hold_ms, state.get("crowded"))
        present_ms = round((settings.presence_s or 0) * 1000)
        self._present = {name: Debounced(present_ms, held) for name, held in state.get("present", {}).items()}
        self._present_ms = present_ms
        self._quiet_ms = state.get("quiet_ms", 0)

    def state(self) -> dict[str, Any]:
        """Return all that is to survive, as plain lists and maps."""
        return {
            "members": {str(number): member.state() for number, member in self._members.items()},
            "counts": [self._entered, self._left],
            "crowded": self._crowded.state(),
            "present": {name: held.state() for name, held in self._present.items()},
            "quiet_ms": self._quiet_ms,
        }

    def watch(self, sight: Sight) -> Iterator[Event]:
        """Yield what a frame shows."""
        if sight.gap:
            self._quiet_ms = sight.at_ms + _GAP_HOLD_MS
        yield from self._gone(sight)
        for seen, inside in zip(sight.here, self._inside(sight), strict=True):
            yield from self._follow(sight, seen, bool(inside))
        yield from self._crowd(sight)
        yield from self._presence(sight)

    def count(self) -> ZoneCount:
        """Return what is counted so far."""
        inside = sum(self.classes().values())
        return ZoneCount(self.settings.name, self._entered, self._left, inside, rounded(self._corners))

    def classes(self) -> Counter[str]:
        """Return how many of which class are inside."""
        return Counter(member.class_name for member in self._members.values() if member.inside.value)

    def _inside(self, sight: Sight) -> Any:
        size = sight.frame.width, sight.frame.height
        if self._size != size and self.settings.polygon is not None:
            self._size, self._corners = size, self.settings.pixels(self.settings.polygon, *size)
            self._area = Area(self._corners)
        return self._area.holds(anchors(sight.xyxy, self.settings.anchor))

    def _follow(self, sight: Sight, seen: Seen, inside: bool) -> Iterator[Event]:
        member = self._members.get(seen.tracker_id)
        if member is None:
            if self.settings.classes and seen.class_name not in self.settings.classes:
                return
            member = self._members[seen.tracker_id] = _Member(self._hold_ms)
        member.class_name = seen.class_name
        since_ms = member.inside.offer(inside, sight.at_ms)
        if since_ms is not None and inside:
            self._entered, member.since_ms, member.dwelt = self._entered + 1, since_ms, False
            yield self._event(sight, "enter", seen)
        elif since_ms is not None:
            yield self._leave(sight, seen, member)
        if inside:
            member.last_ms = sight.at_ms
        yield from self._dwell(sight, seen, member)

    def _dwell(self, sight: Sight, seen: Seen, member: "_Member") -> Iterator[Event]:
        wanted_s, stayed_s = self.settings.dwell_s, (member.last_ms - member.since_ms) / 1000
        if wanted_s is not None and member.inside.value and not member.dwelt and stayed_s >= wanted_s:
            member.dwelt = True
            yield self._event(sight, "dwell", seen, value=stayed_s)

    def _gone(self, sight: Sight) -> Iterator[Event]:
        """Let go of those whose track is over; who went while nobody looked has not been seen to leave."""
        for seen in sight.gone:
            member = self._members.pop(seen.tracker_id, None)
            if member is not None and member.inside.value and not sight.gap:
                yield self._leave(sight, seen, member)

    def _leave(self, sight: Sight, seen: Seen, member: "_Member") -> Event:
        self._left += 1
        return self._event(sight, "exit", seen, value=(member.last_ms - member.since_ms) / 1000)

    def _crowd(self, sight: Sight) -> Iterator[Event]:
        if self.settings.above is None:
            return
        count = sum(self.classes().values())
        crowded = count > self.settings.above
        if self._is_quiet(sight, self._crowded, crowded):
            return
        if self._crowded.offer(crowded, sight.at_ms) is not None:
            yield self._event(sight, "count", value=float(count), direction="in" if crowded else "out")

    def _presence(self, sight: Sight) -> Iterator[Event]:
        if self.settings.presence_s is None:
            return
        here = self.classes()
        for name in sorted(here.keys() | self._present.keys()):
            held = self._present.setdefault(name, Debounced(self._present_ms))
            if self._is_quiet(sight, held, name in here):
                continue
            if held.offer(name in here, sight.at_ms) is not None:
                kind = "appeared" if held.value else "disappeared"
                yield self._event(sight, kind, class_name=name, value=float(here[name]))
            elif not held.value and name not in here:
                del self._present[name]

    def _is_quiet(self, sight: Sight, held: Debounced, seen: bool) -> bool:
        """Return whether something is missed only because nobody has looked for a while."""
        quiet = held.value and not seen and sight.at_ms < self._quiet_ms
        if quiet:
            held.doubt()
        return quiet

    def _event(self, sight: Sight, kind: str, seen: Seen | None = None, **more: Any) -> Event:
        return sight.event(kind, seen, zone=self.settings.name, **more)


class _Member:
    """A track, and whether it is in the zone."""

    def __init__(self, hold_ms: int, state: list[Any] | None = None) -> None:
        held, since_ms, last_ms, dwelt, class_name = state or (None, 0, 0, False, "")
        self.inside = Debounced(hold_ms, held)
        self.since_ms: int = since_ms
        self.last_ms: int = last_ms
        self.dwelt: bool = dwelt
        self.class_name: str = class_name

    def state(self) -> list[Any]:
        return [self.inside.state(), self.since_ms, self.last_ms, self.dwelt, self.class_name]
