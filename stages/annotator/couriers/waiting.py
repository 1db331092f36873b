"""What waits for one peer, of all sources."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from stages.annotator.couriers.parcel import Parcel


@dataclass(frozen=True, slots=True)
class _Place:
    parcel: Parcel
    droppable: bool


class Waiting:
    """A line of parcels, so many at most, and those that were taken; not safe for threads by itself.

    Where it is full the oldest frame that may be dropped makes room, and only where there is none, the oldest event:
    a frame more or less tells little, an event happens once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._line: deque[_Place] = deque()
        self._taken: deque[_Place] = deque()
        self._kept: dict[str, deque[int]] = {}
        self.missed: Counter[str] = Counter()
        """Parcels of each source that were dropped."""

    def __len__(self) -> int:
        return len(self._line) + len(self._taken)

    @property
    def full(self) -> bool:
        """Whether nothing more should be put that can't be dropped; what was taken has left the line."""
        return len(self._line) >= self._most

    def put(self, parcel: Parcel, droppable: bool) -> None:
        """Add a parcel; for one that may be dropped another one may go, or it goes itself."""
        if droppable and self.full and not self._make_room_for(parcel):
            self.missed[parcel.source] += 1
            return
        self._line.append(_Place(parcel, droppable))
        if not droppable:
            self._kept.setdefault(parcel.source, deque()).append(parcel.seq)

    def take(self, most: int) -> list[Parcel]:
        """Return the first of those that wait, to be settled in that order."""
        while self._line and len(self._taken) < most:
            self._taken.append(self._line.popleft())
        return [place.parcel for place in self._taken]

    def settle(self) -> None:
        """Forget the first of those that were taken."""
        place = self._taken.popleft()
        if not place.droppable:
            kept = self._kept[place.parcel.source]
            kept.popleft()
            if not kept:
                del self._kept[place.parcel.source]

    def first_kept(self, source: str) -> int | None:
        """Return the frame of the first parcel that is not settled and can't be dropped, None if there is none."""
        kept = self._kept.get(source)
        return kept[0] if kept else None

    def of(self, source: str) -> int:
        """Return how many parcels of a source are not settled."""
        return sum(place.parcel.source == source for places in (self._taken, self._line) for place in places)

    def drop(self, source: str) -> None:
        """Drop what waits of a source."""
        left = deque(place for place in self._line if place.parcel.source != source)
        self.missed[source] += len(self._line) - len(left)
        self._line = left

    def _make_room_for(self, parcel: Parcel) -> bool:
        """Drop the oldest frame, or, for an event, the oldest event; False if there is none of them."""
        for kind in ("frame", "event") if parcel.kind == "event" else ("frame",):
            for number, place in enumerate(self._line):
                if place.droppable and place.parcel.kind == kind:
                    self.missed[place.parcel.source] += 1
                    del self._line[number]
                    return True
        return False


def ids(parcels: Sequence[Parcel]) -> str:
    """Return which parcels these are, in short."""
    return parcels[0].id if len(parcels) == 1 else f"{parcels[0].id} and {len(parcels) - 1} more"
