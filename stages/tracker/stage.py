"""The tracker: puts what detectors found in order, numbers the objects, and publishes each frame once."""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from pipeline import keys
from pipeline.broker import CHOSEN_BY_THE_BROKER, Broker, Delivery
from pipeline.errors import MessageError
from pipeline.messages import Detections, EndOfSource, FrameMeta, decode
from stages.tracker.channel import Channel

LEASE_S: Final = 5.0
_BLOCK_S: Final = 0.2
_BATCH: Final = 64
_TRIM_EVERY: Final = 64


class Tracker:
    """One process at a time: what it has not published stays with the broker, so the next one goes on from there."""

    def __init__(self, broker: Broker, name: str, open_channel: Callable[[str], Channel]) -> None:
        self._broker, self._name, self._open_channel = broker, name, open_channel
        self._channels: dict[str, Channel] = {}
        self._leading = False
        self._untrimmed = 1  # a predecessor may have left something
        self._renewed_s = -LEASE_S
        self._begin_anew()

    def run(self, stop: threading.Event) -> None:
        """Publish until told to stop; while another process is the tracker, wait in reserve."""
        while not stop.is_set():
            if self._in_charge():
                self.step(_BLOCK_S)
            else:
                stop.wait(_BLOCK_S)
        self._broker.release(keys.lease(keys.TRACKER), self._name)

    def step(self, block_s: float) -> None:
        """Take what detectors have sent, and publish whatever's turn it is."""
        deliveries = self._raw.read(_BATCH, block_s)
        touched = {self._accept(delivery) for delivery in deliveries}
        for channel in filter(None, touched):
            channel.publish()
            if channel.ended:
                self._channels.pop(channel.source, None)
        self._trim(len(deliveries))

    def _trim(self, taken: int) -> None:
        """Free what is dealt with, now and then under load and at once when idle: it takes three round trips."""
        self._untrimmed += taken
        if self._untrimmed >= _TRIM_EVERY or (self._untrimmed and not taken):
            self._broker.trim_acknowledged(keys.RAW)
            self._untrimmed = 0

    def _in_charge(self) -> bool:
        if time.monotonic() - self._renewed_s < LEASE_S / 5:
            return True
        kept = self._broker.lease(keys.lease(keys.TRACKER), self._name, LEASE_S)
        self._renewed_s = time.monotonic() if kept else -LEASE_S
        if kept and not self._leading:
            self._begin_anew()
        self._leading = kept
        return kept

    def _begin_anew(self) -> None:
        """Go on from what is stored; what this process held when it was last in charge is given to it again."""
        self._channels.clear()
        self._raw = self._broker.group(keys.RAW, keys.TRACKER, self._name)

    def _accept(self, delivery: Delivery) -> Channel | None:
        try:
            message = decode(delivery.body)
            if isinstance(message, FrameMeta):
                raise MessageError("a work item is no detection")
        except MessageError as error:
            self._bury(delivery, str(error))
            return None
        channel = self._channel(_source(message))
        channel.accept(delivery, message)
        return channel

    def _channel(self, source: str) -> Channel:
        if source not in self._channels:
            self._channels[source] = self._open_channel(source)
        return self._channels[source]

    def _bury(self, delivery: Delivery, reason: str) -> None:
        structlog.get_logger().error("dead letter", stream=delivery.stream, id=delivery.id, error=reason)
        with self._broker.transaction() as transaction:
            letter = {"stream": delivery.stream, "id": delivery.id, "reason": reason}
            transaction.publish(keys.DEAD_LETTERS, CHOSEN_BY_THE_BROKER, delivery.body, letter)
            transaction.ack(keys.RAW, keys.TRACKER, [delivery.id])


def _source(message: Detections | EndOfSource) -> str:
    return message.frame.source if isinstance(message, Detections) else message.source
