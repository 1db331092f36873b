"""Everything to one subscriber: what there is first, in the order of time over all sources, then what comes."""

import heapq
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pipeline import keys
from pipeline.client.follower import NO_SEQ, Entry, Follower, entries_in, place_of
from pipeline.client.items import Gap
from pipeline.client.line import BEFORE_THE_FIRST, Handed, Line, open_line
from pipeline.client.places import FIRST, until_ms
from pipeline.client.wanted import Steps, Wanted
from pipeline.redis_asking import Ask, Call

BLOCK_MS: Final = 1000
_AT_ONCE: Final = 64
_SEARCH_EVERY_S: Final = 1.0
_IDLE_S: Final = 5.0
_STATES_LOOKED_AT: Final = 1000


class Feed:
    """Reads streams without a group: what one subscriber reads is nobody else's business."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._now = datetime.now(UTC)
        self._until_ms = until_ms(wanted.until, self._now)
        self._lines: dict[str, Line] = {}
        self._searched_s = self._checked_s = 0.0
        self._past = True
        self._over = False

    @property
    def finished(self) -> bool:
        """Whether nothing comes any more."""
        if self._wanted.until == "end" and not self._past:
            sources = [line for line in self._lines.values() if line.stream != keys.STATES]
            return bool(sources) and all(line.follower.ended for line in sources)
        return self._over

    def open(self) -> Steps[list[Handed]]:
        """Find where to begin; return what is known at once: how cameras are, and what is gone already."""
        found = yield from self._wanted.found()
        streams = [*(self._wanted.stream(name) for name in self._wanted.names), *found, keys.STATES]
        states = yield from self._states() if self._wanted.start == "latest" else _nothing()
        gone = yield from self._join(streams, first=True)
        self._searched_s = self._checked_s = time.monotonic()
        return [*states, *gone]

    def round(self) -> Steps[list[Handed]]:
        """Return what is there now, or comes within a second."""
        if self._past:
            return (yield from self._look_back())
        handed = yield from self._look_forward()
        if time.monotonic() - self._searched_s >= _SEARCH_EVERY_S:
            handed += yield from self._search()
        if not handed and time.monotonic() - self._checked_s >= _IDLE_S:
            handed += yield from self._check_idle()
        return handed

    def ack(self, entries: Iterable[Entry]) -> Steps[None]:
        """Do nothing: nobody waits for it."""
        yield from ()

    def _join(self, streams: list[str], *, first: bool = False) -> Steps[list[Handed]]:
        """Open streams: the first ones where the subscriber asked for, those that are new later at their begin."""
        infos = yield Ask(tuple(("XINFO STREAM", stream) for stream in streams))
        start = self._wanted.start if first else "earliest"
        told: list[Handed] = []
        for stream, info in zip(streams, infos, strict=True):
            begin = "latest" if stream == keys.STATES and isinstance(start, Mapping) else start
            line, gone = open_line(stream, self._wanted.source(stream), begin, self._now, info)
            line.heard_s = time.monotonic()
            if not first and stream != keys.STATES:
                line.follower = Follower(line.follower.source, BEFORE_THE_FIRST)
            if line.upto and self._until_ms is not None:
                line.upto = min(line.upto, f"{self._until_ms}-{NO_SEQ}", key=place_of)
            self._past |= line.upto is not None
            self._lines[stream] = line
            told += gone
        return told

    def _states(self) -> Steps[list[Handed]]:
        """Return how the cameras are: who comes late should know that one is away."""
        (rows,) = yield Ask((("XREVRANGE", keys.STATES, "+", "-", "COUNT", _STATES_LOOKED_AT),))
        newest: dict[str, Handed] = {}
        for entry in entries_in(keys.STATES, rows):
            for item in Follower(keys.STATES).take(entry):
                if self._wanted.tells(item):
                    newest.setdefault(item.source, Handed(entry, item))
        return list(newest.values())[::-1]

    def _look_back(self) -> Steps[list[Handed]]:
        hungry = [line for line in self._lines.values() if line.upto and not line.ahead]
        calls = tuple(("XRANGE", line.stream, f"({line.after}", line.upto or "+", "COUNT", _AT_ONCE) for line in hungry)
        answers = (yield Ask(calls)) if calls else []
        for line, rows in zip(hungry, answers, strict=True):
            line.ahead.extend(entries_in(line.stream, rows if isinstance(rows, list) else ()))
            line.after = line.ahead[-1].id if line.ahead else line.after
            if len(line.ahead) < _AT_ONCE:
                line.upto = None
        handed = self._merged()
        if not any(line.upto or line.ahead for line in self._lines.values()):
            self._begin_present()
        return handed

    def _merged(self) -> list[Handed]:
        """Return what was read ahead in the order of time, as far as no stream could have anything before it."""
        waiting = [(line.ahead[0].place, name) for name, line in self._lines.items() if line.ahead]
        heapq.heapify(waiting)
        handed: list[Handed] = []
        while waiting:
            _, name = heapq.heappop(waiting)
            line = self._lines[name]
            handed += self._given(line, line.ahead.popleft())
            if line.ahead:
                heapq.heappush(waiting, (line.ahead[0].place, name))
            elif line.upto:
                break
        return handed

    def _begin_present(self) -> None:
        self._past = False
        self._over = self._until_ms is not None and self._until_ms <= time.time() * 1000
        for line in self._lines.values():
            line.after = max(line.after, line.newest, key=place_of)

    def _look_forward(self) -> Steps[list[Handed]]:
        places = {line.stream: line.after for line in self._lines.values()}
        call: Call = ("XREAD", "COUNT", _AT_ONCE, "BLOCK", BLOCK_MS, "STREAMS", *places, *places.values())
        (reply,) = yield Ask((call,))
        handed: list[Handed] = []
        for name, rows in reply or ():
            line = self._lines[name.decode()]
            line.heard_s = time.monotonic()
            for entry in entries_in(line.stream, rows):
                line.after = entry.id
                handed += self._given(line, entry)
        self._over = not reply and self._until_ms is not None and self._until_ms <= time.time() * 1000
        return handed

    def _given(self, line: Line, entry: Entry) -> list[Handed]:
        if self._until_ms is not None and entry.place[0] > self._until_ms:
            return []
        given = list(line.take(entry))
        if line.stream == keys.STATES:
            self._searched_s = 0.0  # a camera may be new
            return [one for one in given if self._wanted.tells(one.item)]
        return given

    def _search(self) -> Steps[list[Handed]]:
        self._searched_s = time.monotonic()
        found = yield from self._wanted.found()
        new = [stream for stream in found if stream not in self._lines]
        return (yield from self._join(new)) if new else []

    def _check_idle(self) -> Steps[list[Handed]]:
        """Notice streams that are gone, or that were begun anew under smaller IDs: a recording that is done again."""
        self._checked_s = now_s = time.monotonic()
        idle = [line for line in self._lines.values() if now_s - line.heard_s >= _IDLE_S and line.after != FIRST]
        infos = (yield Ask(tuple(("XINFO STREAM", line.stream) for line in idle))) if idle else []
        anew = [line for line, info in zip(idle, infos, strict=True) if _is_anew(line, info)]
        for line in anew:
            line.after, line.follower = FIRST, Follower(line.follower.source)
        named = set(map(self._wanted.stream, self._wanted.names)) | {keys.STATES}
        for line, info in zip(idle, infos, strict=True):
            if isinstance(info, Exception) and line.stream not in named:
                del self._lines[line.stream]
        return [Handed(None, Gap(line.follower.source, None, None, "restarted")) for line in anew]


def _nothing() -> Steps[list[Handed]]:
    yield from ()
    return []


def _is_anew(line: Line, info: Any) -> bool:
    return isinstance(info, dict) and place_of(info["last-generated-id"].decode()) < place_of(line.after)
