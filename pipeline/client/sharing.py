"""Work that several subscribers share: each entry to one of them, and again to another if that one dies with it.

Reading goes in two steps, so that what was trimmed is noticed by whoever reads what comes behind it, and by nobody
else: the group's place and what is new are asked for in one transaction; while there is nothing new, a plain read,
which takes nothing, waits for it.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from pipeline import keys
from pipeline.client.feed import BLOCK_MS
from pipeline.client.follower import NO_SEQ, Entry, Follower, entries_in, place_of
from pipeline.client.items import Gap
from pipeline.client.line import Handed
from pipeline.client.places import FIRST, place_in
from pipeline.client.wanted import Steps, Wanted
from pipeline.errors import ConfigError
from pipeline.redis_asking import Ask, Call

_AT_ONCE: Final = 16
"""Entries a stream: more would wait in this subscriber's hands while others have nothing to do."""
_CLAIMED_AT_ONCE: Final = 64
_SEARCH_EVERY_S: Final = 1.0


class Sharing:
    """Reads streams as one consumer of a group, which begins where the group is."""

    def __init__(self, wanted: Wanted, group: str, consumer: str, claim_after_s: float) -> None:
        """`claim_after_s`: what another consumer has held for longer is taken over."""
        if wanted.until is not None:
            raise ConfigError("until: a group has no end; leave it out, or leave out the group")
        self._wanted, self._group, self._consumer = wanted, group, consumer
        self._claim_after_s = claim_after_s
        self._now = datetime.now(UTC)
        self._streams: list[str] = []
        self._own: dict[str, str] = {}  # where to go on in what we held when we died, by stream
        self._in_hand: set[tuple[str, str]] = set()
        self._states_after = "$"
        self._searched_s = self._claimed_s = 0.0
        self.finished = False

    def open(self) -> Steps[list[Handed]]:
        """Join the group, which is made where it is missing."""
        (newest,) = yield Ask((("XREVRANGE", keys.STATES, "+", "-", "COUNT", 1),))
        self._states_after = newest[0][0].decode() if newest else FIRST
        names = [self._wanted.stream(name) for name in self._wanted.names]
        found = yield from self._wanted.found()
        yield from self._join([*names, *found], first=True)
        return []

    def round(self) -> Steps[list[Handed]]:
        """Return what was in hand before, or others hold too long, or is new, or comes within a second."""
        if time.monotonic() - self._searched_s >= _SEARCH_EVERY_S:
            self._searched_s = time.monotonic()
            found = yield from self._wanted.found()
            yield from self._join([stream for stream in found if stream not in self._streams])
        handed = (yield from self._own_pending()) or (yield from self._claimed()) or (yield from self._new())
        self._in_hand |= {(one.entry.stream, one.entry.id) for one in handed if one.entry}
        return handed

    def ack(self, entries: Iterable[Entry]) -> Steps[None]:
        """Say that entries are dealt with."""
        by_stream: dict[str, list[str]] = {}
        for entry in entries:
            self._in_hand.discard((entry.stream, entry.id))
            if entry.stream != keys.STATES:
                by_stream.setdefault(entry.stream, []).append(entry.id)
        if by_stream:
            yield Ask(tuple(("XACK", stream, self._group, *ids) for stream, ids in by_stream.items()))

    def _join(self, streams: list[str], *, first: bool = False) -> Steps[None]:
        if not streams:
            return
        start = self._wanted.start if first else "earliest"
        calls: list[Call] = []
        for stream in streams:
            after = place_in(self._wanted.source(stream), start, self._now).after
            calls.append(("XGROUP CREATE", stream, self._group, after or "$", "MKSTREAM"))
        yield Ask(tuple(calls))
        self._streams = [*dict.fromkeys([*self._streams, *streams])]
        self._own |= dict.fromkeys(streams, "0")

    def _own_pending(self) -> Steps[list[Handed]]:
        """Return what this consumer held when it was last here."""
        while self._own:
            stream, cursor = next(iter(self._own.items()))
            call = ("XREADGROUP", "GROUP", self._group, self._consumer, "COUNT", _AT_ONCE, "STREAMS", stream, cursor)
            (reply,) = yield Ask((call,))
            rows = reply[0][1] if reply and not isinstance(reply, Exception) else []
            if not rows:
                del self._own[stream]
                continue
            self._own[stream] = rows[-1][0].decode()
            gone = [entry_id for entry_id, fields in rows if not fields]
            handed = (yield from self._gone(stream, gone)) + self._again(stream, rows)
            if handed:
                return handed
        return []

    def _claimed(self) -> Steps[list[Handed]]:
        """Return what others have held for too long; ours among it is left out, but for what never reached us."""
        if time.monotonic() - self._claimed_s < self._claim_after_s / 2 or not self._streams:
            return []
        self._claimed_s = time.monotonic()
        least_ms, handed = round(self._claim_after_s * 1000), list[Handed]()
        head = (self._group, self._consumer, least_ms, FIRST, "COUNT", _CLAIMED_AT_ONCE)
        answers = yield Ask(tuple(("XAUTOCLAIM", stream, *head) for stream in self._streams))
        for stream, answer in zip(self._streams, answers, strict=True):
            if isinstance(answer, Exception):
                continue
            handed += yield from self._gone(stream, answer[2] if len(answer) > 2 else [])
            handed += self._again(stream, answer[1])
        return handed

    def _new(self) -> Steps[list[Handed]]:
        streams = self._streams
        if not streams:
            return (yield from self._wait({}))
        places = tuple(("XINFO GROUPS", stream) for stream in streams)
        read: Call = ("XREADGROUP", "GROUP", self._group, self._consumer, "COUNT", _AT_ONCE, "STREAMS", *streams)
        *infos, reply = yield Ask((*places, (*read, *(">" for _ in streams))), atomic=True)
        if isinstance(reply, Exception):  # the broker came back empty
            self._streams = []
            yield from self._join(streams)
            return []
        before = {stream: self._place(info) for stream, info in zip(streams, infos, strict=True)}
        handed = [one for name, rows in reply or () for one in self._fresh(name.decode(), rows, before)]
        return handed or (yield from self._wait(before))

    def _fresh(self, stream: str, rows: Any, before: dict[str, str]) -> list[Handed]:
        milliseconds, seq = place_of(before[stream])
        known = milliseconds > 0 and seq != NO_SEQ
        follower = Follower(self._wanted.source(stream), seq if known else None)
        return [one for entry in entries_in(stream, rows) for one in _taken(follower, entry)]

    def _wait(self, before: dict[str, str]) -> Steps[list[Handed]]:
        """Wait for something to be there, and take what is told of cameras: that is everybody's."""
        places = before | {keys.STATES: self._states_after}
        call: Call = ("XREAD", "COUNT", 1, "BLOCK", BLOCK_MS, "STREAMS", *places, *places.values())
        (reply,) = yield Ask((call,))
        handed: list[Handed] = []
        for name, rows in reply or ():
            for entry in entries_in(name.decode(), rows if name.decode() == keys.STATES else ()):
                self._states_after, self._searched_s = entry.id, 0.0
                handed += [one for one in _taken(Follower(keys.STATES), entry) if self._wanted.tells(one.item)]
        return handed

    def _again(self, stream: str, rows: Any) -> list[Handed]:
        entries = [entry for entry in entries_in(stream, rows) if (stream, entry.id) not in self._in_hand]
        return [one for entry in entries for one in _taken(Follower(self._wanted.source(stream)), entry)]

    def _gone(self, stream: str, ids: list[bytes]) -> Steps[list[Handed]]:
        """Acknowledge what was trimmed while somebody had it in hand, and tell of it."""
        if not ids:
            return []
        yield Ask((("XACK", stream, self._group, *ids),))
        seqs = [place_of(entry_id.decode())[1] for entry_id in ids]
        return [Handed(None, Gap(self._wanted.source(stream), seq, seq)) for seq in seqs]

    def _place(self, groups: Any) -> str:
        names = [] if isinstance(groups, Exception) else groups
        found = [group["last-delivered-id"] for group in names if group["name"] == self._group.encode()]
        return found[0].decode() if found else FIRST


def _taken(follower: Follower, entry: Entry) -> list[Handed]:
    items = list(follower.take(entry))
    return [Handed(entry if item is items[-1] else None, item) for item in items]
