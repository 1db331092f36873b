"""One stream in the hands of a subscriber: where it is, and what was read ahead."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from pipeline.client.follower import Entry, Follower, body_in, last_seq, place_of
from pipeline.client.items import Gap, Item
from pipeline.client.places import FIRST, Start, place_in
from pipeline.errors import MessageError
from pipeline.messages import Detections, EndOfSource, Message
from pipeline.wire import decode

BEFORE_THE_FIRST: Final = -1


class Handed(NamedTuple):
    """What is given to a subscriber, and the entry that is dealt with then; None if more of the entry follows."""

    entry: Entry | None
    item: Item


@dataclass(slots=True)
class Line:
    """One stream."""

    stream: str
    follower: Follower
    after: str
    """The last ID that was read."""
    upto: str | None = None
    """The last ID of what was there when it began, as long as that is not read."""
    newest: str = FIRST
    """The last ID that there was when it began."""
    ahead: deque[Entry] = field(default_factory=deque)
    """Entries that wait for their turn."""
    heard_s: float = 0.0
    """When something came last."""

    def take(self, entry: Entry) -> Iterator[Handed]:
        """Yield what an entry gives."""
        items = list(self.follower.take(entry))
        yield from (Handed(None, item) for item in items[:-1])
        yield from (Handed(entry, item) for item in items[-1:])


def open_line(stream: str, source: str, start: Start, now: datetime, info: Any) -> tuple[Line, list[Handed]]:
    """Return a stream at its start, and the gap if a part of what is asked for is gone.

    `info`: the answer to XINFO STREAM, an exception if there is no such stream yet.
    """
    place = place_in(source, start, now)
    if isinstance(info, Exception):
        # What does not exist yet has a first frame, of which a subscriber knows whether it was there in time.
        after = FIRST if place.since_ms is not None else place.after or FIRST
        return Line(stream, Follower(source, BEFORE_THE_FIRST if place.seq is None else place.seq), after), []
    newest = info["last-generated-id"].decode()
    if place.after is None:
        last = _message_in(info["last-entry"])
        line = Line(stream, Follower(source, None if last is None else last_seq(last)), newest)
        line.follower.ended = isinstance(last, EndOfSource)
        return line, []
    gap = _gone(source, place.since_ms, info["first-entry"])
    line = Line(stream, Follower(source, place.seq if gap is None else gap.last), place.after, newest=newest)
    if place_of(place.after) < place_of(newest):
        line.upto = newest
    elif place.since_ms is not None:
        line.after = newest  # never behind what is to come: IDs of a recording are not of this clock
    line.follower.ended = line.upto is None and isinstance(_message_in(info["last-entry"]), EndOfSource)
    return line, [] if gap is None else [Handed(None, gap)]


def _gone(source: str, since_ms: int | None, first_entry: Any) -> Gap | None:
    """Return what was trimmed of the time from `since_ms` on."""
    if since_ms is None or not first_entry or place_of(first_entry[0].decode())[0] <= since_ms:
        return None
    first = _message_in(first_entry)
    if not isinstance(first, Detections) or first.frame.seq <= first.dropped_before:
        return None  # nothing was before it
    return Gap(source, None, first.frame.seq - first.dropped_before - 1)


def _message_in(entry: Any) -> Message | None:
    try:
        return decode(body_in(entry[1])) if entry else None
    except MessageError:
        return None
