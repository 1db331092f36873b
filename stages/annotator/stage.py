"""The annotator: follows the public stream of every source, as any other consumer could, and writes its outputs."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, Protocol

import structlog

from pipeline import keys
from pipeline.broker import Broker, Delivery
from pipeline.errors import BrokerForgotError
from pipeline.finished import settle
from pipeline.ledger import Ledger, Standing
from pipeline.memory import STREAMS_KEPT

LEASE_S: Final = 5.0
_BLOCK_S: Final = 0.1
_WAITING_S: Final = 0.002
_BATCH: Final = 8
"""Small, so that the window moves on in small steps."""
_DISCOVER_S: Final = 0.1


class SourceWriter(Protocol):
    """One source on its way into its outputs."""

    @property
    def position(self) -> str:
        """The last entry of the public stream that was taken."""

    @property
    def hungry(self) -> bool:
        """Whether more may be taken."""

    @property
    def finished(self) -> bool:
        """Whether every output has its final form."""

    @property
    def retells(self) -> bool:
        """Whether it has to be opened anew to tell a broker that has lost its memory what is on disk."""

    def take(self, delivery: Delivery) -> None:
        """Accept the stream's next entry."""

    def advance(self) -> None:
        """Write what can be written now."""

    def close(self) -> None:
        """Leave the outputs readable as far as they go."""


class Annotator:
    """One process at a time writes; what it has not made durable is in the public stream, so the next one goes on."""

    def __init__(self, broker: Broker, name: str, open_writer: Callable[[str], SourceWriter]) -> None:
        self._broker, self._name, self._open_writer = broker, name, open_writer
        self._writers: dict[str, SourceWriter] = {}
        self._finished: deque[str] = deque()
        self._discovered_s = self._renewed_s = -LEASE_S

    def run(self, stop: threading.Event) -> None:
        """Write until told to stop; then leave each output readable as far as it goes.

        Raises:
            SinkError: an output can't be written.
        """
        try:
            while not stop.is_set():
                stop.wait(self._turn())
        finally:
            self._stand_by()
        self._broker.release(keys.role(keys.ANNOTATOR), self._name)

    def _turn(self) -> float:
        try:
            return self.step() if self._in_charge() else self._stand_by()
        except BrokerForgotError as error:
            structlog.get_logger().warning("outputs are opened anew", reason=str(error))
            self._let_go(lambda writer: writer.retells)
            self._discovered_s = self._renewed_s = -LEASE_S
            return 0.0

    def step(self) -> float:
        """Write what has been published since; return how long to pause before the next step, in seconds."""
        self._discover()
        after = {keys.detections(name): writer.position for name, writer in self._writers.items() if writer.hungry}
        waiting = any(not writer.hungry for writer in self._writers.values())
        by_stream = {keys.detections(name): writer for name, writer in self._writers.items()}
        # A broker that is asked to wait for two milliseconds may take 100: pixels would come late.
        for delivery in self._broker.read(after, _BATCH, 0.0 if waiting else _BLOCK_S) if after else []:
            by_stream[delivery.stream].take(delivery)
        for name, writer in list(self._writers.items()):
            writer.advance()
            if writer.finished:
                self._retire(name)
        return _WAITING_S if waiting else 0.0 if after else _BLOCK_S

    def _retire(self, source: str) -> None:
        """Let go of a source that is finished."""
        del self._writers[source]
        self._settle(source, Ledger(self._broker, source).read())

    def _settle(self, source: str, standing: Standing) -> None:
        """Note that a recording is done for good; public streams of the last few stay. A camera may come back."""
        if standing.live:
            return
        settle(self._broker, source, standing)
        self._finished.append(source)
        if len(self._finished) > STREAMS_KEPT:
            self._broker.delete([stream(self._finished[0]) for stream in (keys.detections, keys.events, keys.counts)])
            self._finished.popleft()

    def _stand_by(self) -> float:
        """Let go of all outputs, so that whoever is in charge can write them; return how long to wait."""
        self._let_go(lambda writer: True)
        return _BLOCK_S

    def _let_go(self, gone: Callable[[SourceWriter], bool]) -> None:
        with ExitStack() as closing:
            for source, writer in list(self._writers.items()):
                if gone(writer):
                    closing.callback(writer.close)
                    del self._writers[source]

    def _discover(self) -> None:
        if time.monotonic() - self._discovered_s < _DISCOVER_S:
            return
        for source in sorted(self._broker.members(keys.SOURCES) - self._writers.keys()):
            standing = Ledger(self._broker, source).read()
            if not standing.finished((keys.ANNOTATOR,)):
                self._writers[source] = self._open_writer(source)
            else:
                self._settle(source, standing)
        self._discovered_s = time.monotonic()

    def _in_charge(self) -> bool:
        if time.monotonic() - self._renewed_s < LEASE_S / 5:
            return True
        kept = self._broker.lease(keys.role(keys.ANNOTATOR), self._name, LEASE_S)
        self._renewed_s = time.monotonic() if kept else -LEASE_S
        return kept
