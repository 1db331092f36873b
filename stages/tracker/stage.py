"""The tracker: puts what detectors found in order, numbers the objects, and publishes each frame once."""

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

import structlog

from pipeline import keys
from pipeline.broker import Broker, Delivery, Transaction
from pipeline.dead_letters import bury
from pipeline.errors import BrokerForgotError, MessageError
from pipeline.messages import Detections, EndOfSource
from pipeline.wire import decode

LEASE_S: Final = 5.0
_BLOCK_S: Final = 0.2
_BATCH: Final = 64
_TRIM_EVERY: Final = 64
_BOTH: Final = (keys.RAW_LIVE, keys.RAW)


class Line(Protocol):
    """One source on its way into its public stream."""

    @property
    def source(self) -> str:
        """Its name."""

    @property
    def ended(self) -> bool:
        """Whether the end has been published."""

    @property
    def due(self) -> bool:
        """Whether something is to be published although nothing has come."""

    def accept(self, delivery: Delivery, message: Detections | EndOfSource) -> None:
        """Take a message."""

    def publish(self, transaction: Transaction) -> None:
        """Publish what can be published now, all of it or, if the transaction fails, nothing."""


OpenLine: TypeAlias = Callable[[str, bool], Line]
"""Returns the line of a source; True: it is a camera."""


class Tracker:
    """One process at a time: what it has not published stays with the broker, so the next one goes on from there."""

    def __init__(self, broker: Broker, name: str, open_line: OpenLine) -> None:
        self._broker, self._name, self._open_line = broker, name, open_line
        self._lines: dict[str, Line] = {}
        self._leading = False
        self._untrimmed = 1  # a predecessor may have left something
        self._renewed_s = -LEASE_S
        self._begin_anew()

    def run(self, stop: threading.Event) -> None:
        """Publish until told to stop; while another process is the tracker, wait in reserve."""
        while not stop.is_set():
            try:
                if self._in_charge():
                    self.step(_BLOCK_S)
                else:
                    stop.wait(_BLOCK_S)
            except BrokerForgotError as error:
                self._give_up(str(error))
        self._broker.release(keys.role(keys.TRACKER), self._name)

    def step(self, block_s: float) -> None:
        """Take what detectors have sent, and publish whatever's turn it is."""
        deliveries = self._raw.read(_BATCH, block_s)
        touched = {line.source for line in map(self._accept, deliveries) if line is not None}
        ready = [line for line in self._lines.values() if line.source in touched or line.due]
        with self._broker.transaction() as transaction:  # one for all: with many cameras, round trips are what costs
            for line in ready:
                line.publish(transaction)
        for line in ready:
            if line.ended:
                del self._lines[line.source]
        self._trim(len(deliveries))

    def _trim(self, taken: int) -> None:
        """Free what is dealt with, now and then under load and at once when idle: it takes three round trips."""
        self._untrimmed += taken
        if self._untrimmed >= _TRIM_EVERY or (self._untrimmed and not taken):
            for stream in _BOTH:
                self._broker.trim_acknowledged(stream)
            self._untrimmed = 0

    def _in_charge(self) -> bool:
        if time.monotonic() - self._renewed_s < LEASE_S / 5:
            return True
        kept = self._broker.lease(keys.role(keys.TRACKER), self._name, LEASE_S)
        self._renewed_s = time.monotonic() if kept else -LEASE_S
        if kept and not self._leading:
            self._begin_anew()
        self._leading = kept
        return kept

    def _give_up(self, reason: str) -> None:
        """Be in charge no more: what this process knows is of a memory that is gone, and must not get into the new."""
        structlog.get_logger().warning("begins anew", reason=reason)
        self._leading, self._renewed_s = False, -LEASE_S

    def _begin_anew(self) -> None:
        """Go on from what is stored; what this process held when it was last in charge is given to it again."""
        self._lines.clear()
        self._raw = self._broker.group(_BOTH, keys.TRACKER, self._name)

    def _accept(self, delivery: Delivery) -> Line | None:
        try:
            message = decode(delivery.body)
            if not isinstance(message, Detections | EndOfSource):
                raise MessageError(f"a {type(message).__name__} is no detection")
        except MessageError as error:
            self._bury(delivery, str(error))
            return None
        line = self._line(_source(message), delivery.stream)
        line.accept(delivery, message)
        return line

    def _line(self, source: str, stream: str) -> Line:
        """Return a source's line. How a message came says what it is of: a broker that forgot all doesn't know yet."""
        if source not in self._lines:
            self._lines[source] = self._open_line(source, stream == keys.RAW_LIVE)
        return self._lines[source]

    def _bury(self, delivery: Delivery, reason: str) -> None:
        structlog.get_logger().error("dead letter", stream=delivery.stream, id=delivery.id, error=reason)
        with self._broker.transaction() as transaction:
            bury(transaction, delivery, reason)
            transaction.ack(delivery.stream, keys.TRACKER, [delivery.id])


def _source(message: Detections | EndOfSource) -> str:
    return message.frame.source if isinstance(message, Detections) else message.source
