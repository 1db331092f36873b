"""One public stream, entry by entry: what is in it for a subscriber, and what it has missed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.client.items import (
    FrameDetections,
    FrameFailed,
    FrameSkipped,
    Gap,
    Item,
    SourceEnd,
    as_datetime,
)
from pipeline.errors import MessageError
from pipeline.messages import Detections, EndOfSource, Event, Message, SourceState
from pipeline.wire import decode

NO_SEQ: Final = (1 << 64) - 1
"""As the second half of an ID: behind every frame of the millisecond before."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    stream: str
    id: str
    body: bytes

    @property
    def place(self) -> tuple[int, int]:
        """Milliseconds and number, which compare as Redis compares IDs."""
        return place_of(self.id)


def place_of(entry_id: str) -> tuple[int, int]:
    """Return an ID as numbers."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


def entries_in(stream: str, rows: Any) -> list[Entry]:
    """Return the entries in an answer of Redis; those that are deleted are left out."""
    return [Entry(stream, entry_id.decode(), body_in(fields)) for entry_id, fields in rows or () if fields]


def body_in(fields: Mapping[bytes, bytes]) -> bytes:
    """Return the body among an entry's fields."""
    return fields.get(b"body", b"")


class Follower:
    """Knows up to which frame of a source a subscriber is."""

    def __init__(self, source: str, seq: int | None = None) -> None:
        """`seq`: the last frame that it knows or does not want; None: it begins with whatever comes first."""
        self.source = source
        self.seq = seq
        self._given = seq
        self.ended = False
        """Whether the last entry was an end."""

    def take(self, entry: Entry) -> Iterator[Item]:
        """Yield what an entry tells, and before it what is missing between the one before and it."""
        try:
            message = decode(entry.body)
        except MessageError as error:
            seq = entry.place[1]
            self.seq = seq
            yield FrameFailed(
                entry.id, self.source, seq, None, None, f"damaged entry {entry.stream} {entry.id}: {error}"
            )
            return
        self.ended = isinstance(message, EndOfSource)
        if isinstance(message, Detections):
            yield from self._missed(message.frame.seq, message.frame.seq - message.dropped_before - 1)
            self.seq = message.frame.seq
            yield self._frame(entry, message)
        elif isinstance(message, EndOfSource):
            yield from self._missed_at_the_end(message)
            at = None if entry.place[0] < _OF_A_CLOCK_MS else as_datetime(entry.place[0] / 1000)
            yield SourceEnd(entry.id, self.source, message.frames, at, message.error)
        elif isinstance(message, Event | SourceState):
            yield message

    def _frame(self, entry: Entry, found: Detections) -> Item:
        frame, at = found.frame, as_datetime(found.frame.timestamp_s)
        if found.error is not None:
            return FrameFailed(entry.id, self.source, frame.seq, frame.pts_s, at, found.error)
        if found.skipped is not None:
            return FrameSkipped(entry.id, self.source, frame.seq, frame.pts_s, at, found.skipped)
        before, self._given = self._given, frame.seq
        missed = found.dropped_before if before is None else max(frame.seq - before - 1, 0)
        return FrameDetections(entry.id, found, missed)

    def _missed(self, seq: int, before: int) -> Iterator[Gap]:
        """Yield the gap between the last frame and the one that was published before this one."""
        if self.seq is None:
            return
        if seq < self.seq:
            self._given = None
            yield Gap(self.source, None, None, "restarted")
        elif before > self.seq:
            yield Gap(self.source, self.seq + 1, before)

    def _missed_at_the_end(self, end: EndOfSource) -> Iterator[Gap]:
        of_a_recording = end.last is None
        if of_a_recording and self.seq is not None and end.frames - 1 > self.seq:
            yield Gap(self.source, self.seq + 1, end.frames - 1)
            self.seq = end.frames - 1


_OF_A_CLOCK_MS: Final = 10**11
"""Smaller than any time since 1970 that a camera gives, larger than any time in a recording."""


def last_seq(message: Message) -> int | None:
    """Return the number of the frame behind which a subscriber stands that has this one; None if that is unknown."""
    return message.frame.seq if isinstance(message, Detections) else None
