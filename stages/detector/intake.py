"""From items of the work queues to frames with their pixels; each item is answered for."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from pipeline import keys
from pipeline.broker import Broker, Delivery, Ticket
from pipeline.dead_letters import bury
from pipeline.errors import FrameExpiredError, FrameStoreError, MessageError
from pipeline.frame import Frame
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.messages import Detections, FrameMeta, LiveItem
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
        live = [(delivery, item) for delivery, item in read if isinstance(item, LiveItem)]
        bound = self._bound(live) if live else {}
        metas = [(delivery, bound.get(delivery.id) if isinstance(item, LiveItem) else item) for delivery, item in read]
        fetched = [(delivery, self._fetch(delivery, meta)) for delivery, meta in metas if meta is not None]
        return [(delivery, frame) for delivery, frame in fetched if frame is not None]

    def bury(self, delivery: Delivery, reason: str, meta: FrameMeta | None) -> None:
        """Move an item to the dead letters, and report its frame as failed, so that the order never stalls."""
        structlog.get_logger().error("dead letter", id=delivery.id, source=meta.source if meta else None, error=reason)
        with self._broker.transaction() as transaction:
            bury(transaction, delivery, reason, None if meta is None else encode(meta))
            if meta is not None:
                transaction.append(keys.RAW, encode(Detections.failed(meta, reason)))
            transaction.ack(delivery.stream, keys.DETECTORS, [delivery.id])

    def _read(self, delivery: Delivery) -> FrameMeta | LiveItem | None:
        item = self._decoded(delivery, delivery.body)
        if isinstance(item, FrameMeta) and delivery.deliveries > self._max_deliveries:
            self.bury(delivery, f"gave up after {delivery.deliveries - 1} detectors died with it", item)
            return None
        return item

    def _decoded(self, delivery: Delivery, body: bytes) -> FrameMeta | LiveItem | None:
        """Return what a body says; bury the item if that is nothing to work on."""
        try:
            item = decode(body)
            if not isinstance(item, FrameMeta | LiveItem):
                raise MessageError(f"a {type(item).__name__} is no work item")
        except MessageError as error:
            self.bury(delivery, str(error), None)
            return None
        return item

    def _bound(self, live: Sequence[tuple[Delivery, LiveItem]]) -> dict[str, FrameMeta]:
        """Return the newest frame of each camera, by the ID of its item.

        Items that are good for none any more are acknowledged; the others with their answer. One whose detector dies
        first comes again, and is good for none then: the frame is lost, as one that was dropped is.
        """
        tickets = [Ticket(keys.live(item.source), item.epoch, item.ticket) for _, item in live]
        found: dict[str, FrameMeta] = {}
        stale: list[str] = []
        for (delivery, _), bound in zip(live, self._broker.bind(tickets), strict=True):
            if bound is None:
                stale.append(delivery.id)
            elif isinstance(meta := self._decoded(delivery, bound.meta), FrameMeta):
                found[delivery.id] = replace(meta, previous=bound.previous)
        if stale:
            self._forget(keys.LIVE, stale)
        return found

    def _fetch(self, delivery: Delivery, meta: FrameMeta) -> Frame | None:
        try:
            return Frame(meta, self._store.get(meta.source, meta.epoch, meta.seq, "detect"))
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
