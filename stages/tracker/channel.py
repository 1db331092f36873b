"""One source on its way into its public stream."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from pipeline import keys
from pipeline.broker import Broker, Delivery, Transaction
from pipeline.ledger import Ledger
from pipeline.messages import Detections, EndOfSource, encode_public
from pipeline.metrics import LatencyHistogram
from stages.tracker.sequencer import Sequencer
from stages.tracker.settings import TrackerSettings
from stages.tracker.tracks import Tracks

_DEFAULT_FPS: Final = 30.0


class Channel:
    """Orders, tracks and publishes one source; its state is stored with what led to it, all or nothing."""

    def __init__(self, broker: Broker, source: str, settings: TrackerSettings) -> None:
        self._broker, self.source, self._settings = broker, source, settings
        self._ledger = Ledger(broker, source)
        saved = broker.get_fields(keys.checkpoint(source))
        self._epoch = int(saved.get("epoch", 0))
        self._entry_ms = int(saved.get("entry_ms", 1))  # Redis refuses the ID 0-0
        self._counts = {name: int(saved.get(name, 0)) for name in ("ok", "failed", "objects")}
        self._latency = LatencyHistogram(saved.get("latency", b""))
        self._tracks = self._open_tracks(saved.get("tracks", b""))
        self._sequencer: Sequencer[tuple[Delivery, Detections]] = Sequencer(int(saved.get("following", 0)))
        self._end: tuple[Delivery, EndOfSource] | None = None
        self.ended = "ended" in saved
        """Whether the end has been published."""
        self._settled: list[str] = []

    def accept(self, delivery: Delivery, message: Detections | EndOfSource) -> None:
        """Take a message; one of an older epoch, or a second one of a frame, only counts as dealt with."""
        epoch = message.frame.epoch if isinstance(message, Detections) else message.epoch
        if epoch > self._epoch:
            self._begin(epoch)
        if epoch < self._epoch or self.ended:
            self._settled.append(delivery.id)
        elif isinstance(message, EndOfSource):
            self._take_end(delivery, message)
        elif not self._sequencer.offer(message.frame.seq, (delivery, message)):
            self._settled.append(delivery.id)

    def publish(self) -> None:
        """Publish the frames whose turn it is, and the end behind the last one."""
        with self._broker.transaction() as transaction:
            for delivery, found in self._sequencer.ready():
                self._publish_frame(transaction, found)
                self._settled.append(delivery.id)
            self._publish_end(transaction)
            self._save(transaction)
            transaction.ack(keys.RAW, keys.TRACKER, self._settled)
        self._settled.clear()

    def _begin(self, epoch: int) -> None:
        self._epoch = epoch
        self._settled.extend(delivery.id for delivery, _ in self._sequencer.forget())
        if self._end:
            self._settled.append(self._end[0].id)
        self._end = None

    def _take_end(self, delivery: Delivery, end: EndOfSource) -> None:
        if self._end:
            self._settled.append(delivery.id)
        else:
            self._end = (delivery, end)

    def _publish_frame(self, transaction: Transaction, found: Detections) -> None:
        tracked = self._tracks.update(found) if self._tracks and found.error is None else found
        tracked = replace(tracked, published_ns=time.time_ns())
        meta = tracked.frame
        at_s = meta.pts_s if meta.timestamp_s is None else meta.timestamp_s
        self._entry_ms = max(self._entry_ms, int(at_s * 1000))  # Redis refuses IDs that go back
        fields: dict[str, str | int] = {"v": 1, "source": meta.source, "seq": meta.seq, "n": len(tracked)}
        self._put(transaction, meta.seq, encode_public(tracked), fields)
        self._counts["failed" if tracked.error else "ok"] += 1
        self._counts["objects"] += len(tracked)
        if meta.captured_ns:
            self._latency.add((tracked.published_ns - meta.captured_ns) / 1e9)

    def _publish_end(self, transaction: Transaction) -> None:
        following = self._sequencer.following
        if not self._end or following < self._end[1].frames:
            return
        # More than it says are published if the source was whole at first and is damaged now.
        delivery, end = self._end[0], replace(self._end[1], frames=following)
        fields: dict[str, str | int] = {"v": 1, "source": end.source, "seq": end.frames, "n": 0}
        self._put(transaction, end.frames, encode_public(end), fields)
        self._ledger.write_in(transaction, {"ended": 1, "frames": end.frames, "decoded": end.frames})
        self._settled.append(delivery.id)
        self._end, self.ended = None, True

    def _put(self, transaction: Transaction, seq: int, body: bytes, fields: Mapping[str, str | int]) -> None:
        transaction.publish(keys.detections(self.source), f"{self._entry_ms}-{seq}", body, fields)

    def _save(self, transaction: Transaction) -> None:
        """Write the state together with what led to it: neither can be lost without the other."""
        following = self._sequencer.following
        state: dict[str, str | int | float | bytes] = {"epoch": self._epoch, "following": following, **self._counts}
        state |= {"entry_ms": self._entry_ms, "latency": self._latency.to_bytes()}
        state |= {"tracks": self._tracks.to_bytes() if self._tracks and not self.ended else b""}
        transaction.set_fields(keys.checkpoint(self.source), state | ({"ended": 1} if self.ended else {}))
        self._ledger.write_in(transaction, {"published": following - 1})

    def _open_tracks(self, state: bytes) -> Tracks | None:
        if self._settings.tracking is None:
            return None
        fps = float(self._ledger.read().fields.get("fps", _DEFAULT_FPS)) or _DEFAULT_FPS
        return Tracks(self._settings.tracking, fps, state)
