"""What becomes of a camera, told to everybody: on a public stream when it changes, in its ledger all the time."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import structlog

from pipeline import keys
from pipeline.answers import answer
from pipeline.broker import CHOSEN_BY_THE_BROKER, Broker
from pipeline.ledger import Ledger
from pipeline.messages import EndOfSource, SourceState
from pipeline.wire import encode_public

State: TypeAlias = Literal["connecting", "live", "stalled", "reconnecting", "failed", "paused", "ended"]

_KEPT: Final = 10_000
"""Entries of the public stream, over all cameras."""
_RATE_S: Final = 5.0
"""Over which the rate is taken."""


@dataclass(slots=True)
class Tally:
    """What has come from a camera since this decoder took it."""

    captured: int = 0
    corrupt: int = 0
    offered: int = 0
    skipped: int = 0


class Reporter:
    """Tells of one camera; its thread changes the state, any thread may refresh the numbers."""

    def __init__(self, broker: Broker, name: str, tally: Tally, now: Callable[[], float] = time.monotonic) -> None:
        self._broker, self._ledger, self._tally, self._now = broker, Ledger(broker, name), tally, now
        self._lock = threading.Lock()
        before = self._ledger.read()
        self._was_live = before.number("captured", 0) > 0
        self._before = Tally(*(before.number(field, 0) for field in Tally.__slots__))
        self._seen: deque[tuple[float, int]] = deque()
        self.state = SourceState(name, before.epoch, "connecting", 0, reconnects=before.number("reconnects", 0))

    def change(self, state: State, *, epoch: int, code: str | None = None, error: str | None = None) -> None:
        """Note and tell a new state; the same one again is none."""
        with self._lock:
            self._change(state, epoch, code, error)

    def refresh(self) -> None:
        """Bring the numbers in the ledger up to date."""
        with self._lock:
            self.state = self._numbered(self.state)
            self._ledger.write(self._fields())

    def _change(self, state: State, epoch: int, code: str | None, error: str | None) -> None:
        known = self.state
        if (known.state, known.code, known.epoch) == (state, code, epoch) and known.since_ns:
            return
        since_ns = known.since_ns if known.state == state and known.since_ns else time.time_ns()
        again = state == "live" and self._was_live
        self._was_live |= state == "live"
        told = self._numbered(replace(known, epoch=epoch, state=state, since_ns=since_ns, code=code, error=error))
        self.state = replace(told, reconnects=told.reconnects + again)
        level = structlog.get_logger().bind(source=known.source)
        (level.info if code is None else level.warning)(
            state, **({} if code is None else {"code": code, "error": error})
        )
        with self._broker.transaction() as transaction:
            body = encode_public(self.state)
            fields: dict[str, str | int] = {"v": 1, "source": known.source, "state": state}
            transaction.publish(keys.STATES, CHOSEN_BY_THE_BROKER, body, fields, _KEPT)
            self._ledger.write_in(transaction, self._fields())

    def _numbered(self, state: SourceState) -> SourceState:
        counts = {name: getattr(self._before, name) + getattr(self._tally, name) for name in Tally.__slots__}
        return replace(state, fps=self._rate(), **counts)

    def _rate(self) -> float:
        """Return frames a second over the last few seconds."""
        now_s = self._now()
        self._seen.append((now_s, self._tally.captured))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= _RATE_S:
            self._seen.popleft()
        began_s, before = self._seen[0]
        return round((self._tally.captured - before) / (now_s - began_s), 2) if now_s > began_s else 0.0

    def _fields(self) -> dict[str, str | int | float]:
        state = self.state
        numbers = {name: getattr(state, name) for name in (*Tally.__slots__, "reconnects", "since_ns")}
        texts = {"state": state.state, "code": state.code or "", "state_error": state.error or ""}
        last = {"last_code": state.code, "last_error": state.error or ""} if state.code else {}
        return {**numbers, **texts, **last, "rate": state.fps, "seen_ns": time.time_ns()}


def tell(broker: Broker, name: str, state: State, code: str | None = None, error: str | None = None) -> None:
    """Tell a new state of a camera that nobody reads."""
    reporter = Reporter(broker, name, Tally())
    reporter.change(state, epoch=reporter.state.epoch, code=code, error=error)


def end_camera(broker: Broker, ledger: Ledger, end: EndOfSource, revision: int) -> None:
    """Say that nothing more will come of a camera, as it was wished for in this revision."""
    with broker.transaction() as transaction:
        answer(transaction, end, live=True)
        ended = {"ended_epoch": end.epoch, "ended_ns": time.time_ns(), "ended_revision": revision, "frames": end.frames}
        ledger.write_in(transaction, {**ended, "error": end.error or ""})
