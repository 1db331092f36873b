"""A camera on its way into its public stream: each frame behind the one that was taken before it, and never late."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline import keys
from pipeline.broker import Broker, Delivery, Transaction
from pipeline.messages import Detections, EndOfSource
from pipeline.retention import Retention
from stages.tracker.publication import Publication
from stages.tracker.settings import TrackerSettings


@dataclass(frozen=True, slots=True)
class _Waiting:
    delivery: Delivery
    found: Detections
    since_s: float


class LiveChannel:
    """Orders, tracks and publishes one camera; who waits for an answer that was lost waits `patience_s` at most.

    Frames name the one that was taken before them (`FrameMeta.previous`), so that of two detectors the slower one's
    answer still comes first where it should. What comes later than that is dropped, and told as dropped.
    """

    def __init__(
        self,
        broker: Broker,
        source: str,
        settings: TrackerSettings,
        retain: Retention,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`retain`: how much the public stream keeps for late readers."""
        self.source, self._now = source, now
        self._patience_s, self._retain = settings.patience_s, retain
        self._out = Publication(broker, source, settings, retain.frames, live=True)
        self._waiting: dict[int, _Waiting] = {}
        self._end: tuple[Delivery, EndOfSource, float] | None = None
        self._settled: list[str] = []

    @property
    def ended(self) -> bool:
        """Whether the end has been published, and the camera has not come back since."""
        return self._out.ended

    @property
    def due(self) -> bool:
        """Whether something is to be published although nothing has come."""
        return self._next() is not None or self._end_is_due()

    def accept(self, delivery: Delivery, message: Detections | EndOfSource) -> None:
        """Take a message; one that comes too late, or a second time, only counts as dealt with."""
        epoch = message.frame.epoch if isinstance(message, Detections) else message.epoch
        if epoch > self._out.epoch:
            self._begin(epoch, message)
        if self.ended:
            self._settled.append(delivery.id)
        elif isinstance(message, EndOfSource):
            self._take_end(delivery, message)
        elif message.frame.seq < self._out.following or message.frame.seq in self._waiting:
            self._settled.append(delivery.id)
        else:
            self._waiting[message.frame.seq] = _Waiting(delivery, message, self._now())

    def publish(self, transaction: Transaction) -> None:
        """Publish the frames whose turn it is, and the end when no more can come."""
        while (seq := self._next()) is not None:
            self._put(transaction, self._waiting.pop(seq))
        if self._end and self._end_is_due():
            delivery, end, _ = self._end
            self._out.put_end(transaction, replace(end, frames=max(end.frames, self._out.following)))
            self._settled.append(delivery.id)
            self._end = None
        self._out.save(transaction)
        transaction.ack(keys.RAW_LIVE, keys.TRACKER, self._settled)
        self._settled.clear()

    def _next(self) -> int | None:
        """Return the number of the frame whose turn it is, None if there is none."""
        if not self._waiting:
            return None
        seq = min(self._waiting)
        first = self._waiting[seq]
        previous = first.found.frame.previous
        in_turn = previous is None or previous < self._out.following
        return seq if in_turn or self._now() - first.since_s >= self._patience_s else None

    def _put(self, transaction: Transaction, waiting: _Waiting) -> None:
        dropped = max(waiting.found.frame.seq - self._out.following, 0)
        self._out.put(transaction, replace(waiting.found, dropped_before=dropped), timed=True, retain=self._retain)
        self._settled.append(waiting.delivery.id)

    def _begin(self, epoch: int, message: Detections | EndOfSource) -> None:
        """Note a new epoch. Its numbers go on; where they don't, the broker and the decoder have lost their memory."""
        self._out.epoch, self._out.ended = epoch, False
        seq = message.frame.seq if isinstance(message, Detections) else message.frames
        if seq < self._out.following:
            self._settled.extend(waiting.delivery.id for waiting in self._waiting.values())
            self._waiting.clear()
            self._out.renumber(seq)

    def _take_end(self, delivery: Delivery, end: EndOfSource) -> None:
        if self._end or end.epoch < self._out.epoch:
            self._settled.append(delivery.id)
        else:
            self._end = (delivery, end, self._now())

    def _end_is_due(self) -> bool:
        if self._end is None or self._waiting:
            return False
        _, end, since_s = self._end
        behind = end.frames - 1 if end.last is None else end.last
        return self._out.following > behind or self._now() - since_s >= self._patience_s
