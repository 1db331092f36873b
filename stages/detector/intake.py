"""From items of the work queues to frames with their pixels; each item is answered for."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from pipeline import keys
from pipeline.answers import answer
from pipeline.broker import Broker, Delivery
from pipeline.dead_letters import bury
from pipeline.errors import FrameExpiredError, FrameStoreError, MessageError
from pipeline.frame import Frame
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.messages import Detections, FrameMeta, Turn
from pipeline.wire import decode, encode


class Intake:
    """Fetches what an item stands for: a recording's frame, or whatever a camera's newest frame is by now."""

    def __init__(self, broker: Broker, store: FrameStore, max_deliveries: int) -> None:
        """A recording's frame that was handed out more often than `max_deliveries` is reported as failed."""
        self._broker, self._store, self._max_deliveries = broker, store, max_deliveries
        self._rewound: dict[str, int] = {}

    def frames(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Frame]]:
        """Return the frames to look at, each with its item; items that stand for none are dealt with."""
        read = [(delivery, self._read(delivery)) for delivery in deliveries]
        turns = [delivery for delivery, item in read if isinstance(item, Turn)]
        bound = self._bound(turns) if turns else {}
        metas = [
            (delivery, bound.get((delivery.stream, delivery.id)) if isinstance(item, Turn) else item)
            for delivery, item in read
        ]
        fetched = [(delivery, self._fetch(delivery, meta)) for delivery, meta in metas if meta is not None]
        return [(delivery, frame) for delivery, frame in fetched if frame is not None]

    def bury(self, delivery: Delivery, reason: str, meta: FrameMeta | None) -> None:
        """Move an item to the dead letters, and report its frame as failed, so that the order never stalls."""
        structlog.get_logger().error("dead letter", id=delivery.id, source=meta.source if meta else None, error=reason)
        with self._broker.transaction() as transaction:
            bury(transaction, delivery, reason, None if meta is None else encode(meta))
            if meta is not None:
                answer(transaction, Detections.failed(meta, reason), live=delivery.stream == keys.LIVE)
            transaction.ack(delivery.stream, keys.DETECTORS, [delivery.id])

    def _read(self, delivery: Delivery) -> FrameMeta | Turn | None:
        item = self._decoded(delivery, delivery.body)
        if isinstance(item, FrameMeta) and delivery.deliveries > self._max_deliveries:
            self.bury(delivery, f"gave up after {delivery.deliveries - 1} detectors died with it", item)
            return None
        return item

    def _decoded(self, delivery: Delivery, body: bytes) -> FrameMeta | Turn | None:
        """Return what a body says; bury the item if that is nothing to work on."""
        try:
            item = decode(body)
            if not isinstance(item, FrameMeta | Turn):
                raise MessageError(f"a {type(item).__name__} is no work item")
        except MessageError as error:
            self.bury(delivery, str(error), None)
            return None
        return item

    def _bound(self, turns: Sequence[Delivery]) -> dict[tuple[str, str], FrameMeta]:
        """Return the newest frame of a camera for each turn, by the turn's stream and ID, as far as there are some.

        Turns without one are acknowledged; the others with their answer. One whose detector dies first comes again:
        its frame is lost, as one that was dropped is.
        """
        bound = self._broker.bind(len(turns))
        found: dict[tuple[str, str], FrameMeta] = {}
        for turn, frame in zip(turns, bound, strict=False):
            if isinstance(meta := self._decoded(turn, frame.meta), FrameMeta):
                found[turn.stream, turn.id] = replace(meta, previous=frame.previous)
        if stale := [turn.id for turn in turns[len(bound) :]]:
            self._forget(keys.LIVE, stale)
        return found

    def _fetch(self, delivery: Delivery, meta: FrameMeta) -> Frame | None:
        try:
            return Frame(meta, self._store.detect(meta.source, meta.epoch, meta.seq))
        except FrameStoreError as error:
            if delivery.stream == keys.LIVE:
                self.bury(delivery, str(error), meta)  # others wait behind it
            else:
                self._let_go(delivery, meta, error)
            return None

    def _let_go(self, delivery: Delivery, meta: FrameMeta, error: FrameStoreError) -> None:
        """Forget an item without pixels whose frame will be announced anew; report it as failed if it will not.

        Announced anew is all of an epoch that is over. One that is not over is, if its pixels are gone: its decoder
        has died, and somebody cleaned up before it could come back.
        """
        ledger = Ledger(self._broker, meta.source)
        if ledger.read().epoch == meta.epoch:
            if not isinstance(error, FrameExpiredError):
                self.bury(delivery, str(error), meta)
                return
            self._ask_again(ledger, meta, str(error))
        self._forget(keys.FRAMES, [delivery.id])

    def _ask_again(self, ledger: Ledger, meta: FrameMeta, reason: str) -> None:
        if self._rewound.get(meta.source) != meta.epoch:
            self._rewound[meta.source] = meta.epoch
            structlog.get_logger().warning("pixels gone, to be decoded again", source=meta.source, reason=reason)
            ledger.request_rewind()

    def _forget(self, stream: str, ids: Sequence[str]) -> None:
        with self._broker.transaction() as transaction:
            transaction.ack(stream, keys.DETECTORS, ids)
