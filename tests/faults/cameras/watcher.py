"""What a run publishes about its cameras, read as any subscriber could, while it is disturbed."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Final, Self

import numpy as np

from pipeline import keys
from pipeline.errors import BrokerError
from pipeline.messages import Detections, SourceState
from pipeline.redis_broker import RedisBroker
from pipeline.wire import decode
from tests.e2e.command import DEADLINE_S

_BLOCK_S: Final = 0.1
_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Seen:
    """A published frame, when it came."""

    at_s: float
    found: Detections

    @property
    def latency_s(self) -> float:
        return (self.found.published_ns - self.found.frame.captured_ns) / 1e9


class Watcher:
    """Reads the public streams of all cameras and that of their states, in a thread."""

    def __init__(self, url: str) -> None:
        self._broker = RedisBroker(url)
        self._after: dict[str, str] = {keys.STATES: "0"}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.frames: dict[str, list[Seen]] = defaultdict(list)
        self.states: dict[str, list[tuple[float, SourceState]]] = defaultdict(list)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._broker.close()
        self._thread.join()

    def state(self, source: str) -> str:
        """Return the newest state, with its code if it has one: `failed auth`."""
        if not self.states[source]:
            return ""
        state = self.states[source][-1][1]
        return f"{state.state} {state.code}" if state.code else state.state

    def wait(self, source: str, *states: str, since_s: float = 0.0) -> float:
        """Return when a camera came to one of these states, after `since_s`; it has to within the deadline."""

        def come() -> list[float]:
            known = list(self.states[source])
            return [
                at_s
                for at_s, state in known
                if at_s > since_s and f"{state.state} {state.code or ''}".strip() in states
            ]

        until(lambda: bool(come()), lambda: f"{source} is {self.state(source)!r}, not {states}")
        return come()[0]

    def wait_for_frames(self, source: str, count: int, since_s: float) -> float:
        """Return when so many frames of a camera had come after `since_s`."""

        def come() -> list[float]:
            return [seen.at_s for seen in list(self.frames[source]) if seen.at_s > since_s]

        until(lambda: len(come()) >= count, lambda: f"{source}: {len(come())} of {count} frames, {self.state(source)}")
        return come()[count - 1]

    def since(self, source: str, since_s: float) -> list[Seen]:
        return [seen for seen in list(self.frames[source]) if seen.at_s > since_s]

    def _read(self) -> None:
        try:
            while not self._over.is_set():
                for source in self._broker.members(keys.SOURCES):
                    self._after.setdefault(keys.detections(source), "0")
                for delivery in self._broker.read(self._after, 100, _BLOCK_S):
                    self._after[delivery.stream] = delivery.id
                    self._take(decode(delivery.body))
        except BrokerError:
            assert self._over.is_set(), "the broker went away"

    def _take(self, message: object) -> None:
        now_s = time.monotonic()
        if isinstance(message, SourceState):
            self.states[message.source].append((now_s, message))
        elif isinstance(message, Detections):
            self.frames[message.frame.source].append(Seen(now_s, message))


def until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    """Return as soon as the condition holds; it has to within the deadline."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, what()
        time.sleep(_POLL_S)


def check_order(frames: list[Seen]) -> None:
    """See that frames came in order, each once, at times that grow, and that each gap was told."""
    for before, after in pairwise(frames):
        one, two = before.found.frame, after.found.frame
        assert two.seq > one.seq
        assert after.found.dropped_before == two.seq - one.seq - 1
        assert (two.timestamp_s or 0) > (one.timestamp_s or 0)


def longest_pause_s(frames: list[Seen], begun_s: float, ended_s: float) -> float:
    """Return the longest time without a frame."""
    times = [begun_s, *(seen.at_s for seen in frames), ended_s]
    return max(after - before for before, after in pairwise(times))


def latency_s(frames: list[Seen], share: int = 95) -> float:
    """Return the latency that so many of a hundred stay below."""
    return float(np.percentile([seen.latency_s for seen in frames], share))
