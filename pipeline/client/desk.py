"""What has been read and not yet given to the subscriber, what it has and has not acknowledged, and where it is."""

from collections import deque
from collections.abc import Iterable
from typing import Generic, Literal, Protocol, TypeVar, cast

from pipeline.client.follower import Entry
from pipeline.client.items import FrameDetections, Gap, Item
from pipeline.client.line import Handed
from pipeline.client.wanted import Steps
from pipeline.errors import ConfigError, TrimmedError
from pipeline.messages import Event

T = TypeVar("T", bound=Item)


class Reader(Protocol):
    """Reads streams, step by step."""

    @property
    def finished(self) -> bool:
        """Whether nothing comes any more."""

    def open(self) -> Steps[list[Handed]]:
        """Find where to begin."""

    def round(self) -> Steps[list[Handed]]:
        """Return what is there, or comes soon."""

    def ack(self, entries: Iterable[Entry]) -> Steps[None]:
        """Say that entries are dealt with."""


class Desk(Generic[T]):
    """Stands between a reader and a subscriber."""

    def __init__(self, reader: Reader, *, everything: bool, trimmed: Literal["tell", "raise"], shares: bool) -> None:
        """`everything`: all that is read is given, not only frames and events. `shares`: in a group."""
        self._reader, self._everything, self._trimmed, self._shares = reader, everything, trimmed, shares
        self._waiting: deque[Handed] = deque()
        self._unacked: dict[object, Entry] = {}
        self._settled: list[Entry] = []
        self.position: dict[str, str] = {}
        """The last entry of each source that was given; a `start` for the next subscription."""

    @property
    def empty(self) -> bool:
        """Whether all that was read is given."""
        return not self._waiting

    @property
    def finished(self) -> bool:
        """Whether nothing comes any more."""
        return not self._waiting and self._reader.finished

    def open(self) -> Steps[None]:
        """Find where to begin."""
        self._waiting += yield from self._reader.open()

    def fill(self) -> Steps[None]:
        """Read what is there, or comes soon."""
        if self._settled:
            settled, self._settled = self._settled, []
            yield from self._reader.ack(settled)
        self._waiting += yield from self._reader.round()

    def pop(self) -> T | None:
        """Return the next item, None if it is nothing for this subscriber.

        Raises:
            TrimmedError: it tells of what was removed, and that is to be an error.
        """
        entry, item = self._waiting.popleft()
        if entry is not None:
            self.position[item.source] = entry.id
        if isinstance(item, Gap) and item.reason == "trimmed" and self._trimmed == "raise":
            raise TrimmedError(item.source, item.first, item.last)
        work = isinstance(item, FrameDetections | Event)
        if entry is not None and self._shares:
            if work:
                self._unacked[_key(item)] = entry
            else:
                self._settled.append(entry)
        return cast(T, item) if work or self._everything else None

    def ack(self, items: Iterable[object]) -> Steps[None]:
        """Say that these are dealt with; all that were given if there are none.

        Raises:
            ConfigError: there is no group.
        """
        if not self._shares:
            raise ConfigError("ack: only a group acknowledges; subscribe with group=…, consumer=…")
        chosen = [_key(item) for item in items] or list(self._unacked)
        entries = [entry for key in chosen if (entry := self._unacked.pop(key, None)) is not None]
        yield from self._reader.ack(entries)


def _key(item: object) -> object:
    return (item.source, item.id) if isinstance(item, FrameDetections | Event) else None
