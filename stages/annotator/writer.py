"""One source on its way into its outputs."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from pipeline import keys
from pipeline.broker import Broker, Delivery
from pipeline.errors import FrameExpiredError, FramePendingError, MessageError
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.messages import Detections, EndOfSource
from pipeline.wire import decode
from stages.annotator.sink import Sink

_FLUSH_S: Final = 0.2
_DOUBT_EVERY_S: Final = 0.1
_REPORT_EVERY: Final = 8
"""Frames between two reports of the position: often enough that the decoder never waits for one."""


class Writer:
    """Takes a source's public stream entry by entry, fetches the pixels, and feeds the sinks."""

    def __init__(self, broker: Broker, store: FrameStore, source: str, sinks: Mapping[str, Sink], retain: int) -> None:
        self._broker, self._store, self._source, self._retain = broker, store, source, retain
        self._kinds, self._sinks = tuple(sinks), tuple(sinks.values())
        self._ledger = Ledger(broker, source)
        self._backlog: deque[Delivery] = deque()
        self._epoch = 0
        self._rewound = 0
        self._entries: deque[tuple[int, str]] = deque()
        self._unreported = 0
        self._flushed_s = 0.0
        self._doubted_s = 0.0
        self.position = "0"
        """The last entry of the public stream that was taken."""
        self.finished = False
        """Whether every output has its final form."""
        self._resume()

    @property
    def hungry(self) -> bool:
        """Whether there is nothing left to write, so that more may be taken."""
        return not self._backlog

    def take(self, delivery: Delivery) -> None:
        """Accept the stream's next entry."""
        self._backlog.append(delivery)
        self.position = delivery.id

    def advance(self) -> None:
        """Write what can be written now; return early where pixels are still on their way."""
        while self._backlog and self._write(self._backlog[0]):
            self._backlog.popleft()
        if self._unreported and not self._backlog:
            self._report()  # with a window of a few frames, the decoder is waiting for it
        if time.monotonic() - self._flushed_s > _FLUSH_S and not self.finished:
            self._flush()

    def close(self) -> None:
        """Leave the outputs readable as far as they go."""
        if not self.finished:
            for sink in self._sinks:
                sink.close()

    def _resume(self) -> None:
        """Say where the outputs are; ask for pixels again that a predecessor had let go before its output was safe."""
        standing = self._ledger.read()
        let_go = standing.done((keys.ANNOTATOR,))
        self._epoch = standing.epoch
        self._report()
        if self._draws and let_go > self._durable:
            self._rewind(self._durable + 1)

    @property
    def _draws(self) -> bool:
        return any(sink.needs_pixels for sink in self._sinks)

    @property
    def _durable(self) -> int:
        return min(sink.durable for sink in self._sinks)

    def _write(self, delivery: Delivery) -> bool:
        """Write one entry, False if its pixels are still on their way."""
        try:
            message = decode(delivery.body)
        except MessageError as error:
            structlog.get_logger().error("damaged entry", source=self._source, id=delivery.id, error=str(error))
            return True
        if isinstance(message, EndOfSource):
            self._finish(message)
        elif isinstance(message, Detections):
            return self._write_frame(message, delivery.id)
        return True

    def _write_frame(self, found: Detections, entry_id: str) -> bool:
        image = None
        if any(sink.needs_pixels and sink.done < found.frame.seq for sink in self._sinks):
            try:
                image = self._pixels(found)
            except FramePendingError:
                return False
        for sink in self._sinks:
            sink.write(found, image)
        self._entries.append((found.frame.seq, entry_id))
        self._unreported += 1
        if self._unreported >= _REPORT_EVERY:
            self._report()
        return True

    def _pixels(self, found: Detections) -> NDArray[np.uint8] | None:
        """Return the full-size picture, None for a frame that has none because it couldn't be decoded, now or at all.

        Raises:
            FramePendingError: it will come, in this epoch or the next.
        """
        try:
            return self._store.get(self._source, self._epoch, found.frame.seq, "full")
        except FramePendingError:
            if self._is_lost(found.frame.seq):
                return None
            raise
        except FrameExpiredError:
            known, self._epoch = self._epoch, self._ledger.read().epoch
            if known == self._epoch and found.error is not None:
                return None
            if known == self._epoch and known > self._rewound:
                self._rewind(found.frame.seq)
            raise FramePendingError(f"{self._source}: frame {found.frame.seq} is to be decoded again") from None

    def _is_lost(self, seq: int) -> bool:
        """Return whether the source has ended before it came to this frame again: it was changed since the first time.

        Asked for only now and then: a frame that is merely on its way has its picture in milliseconds.
        """
        if time.monotonic() - self._doubted_s < _DOUBT_EVERY_S:
            return False
        self._doubted_s = time.monotonic()
        if not self._has_ended():
            return False
        try:
            self._store.get(self._source, self._epoch, seq, "full")  # the last ones may just have come
        except FramePendingError:
            if not self._has_ended():  # the pixels are gone because the epoch is over: they will come again
                return False
            structlog.get_logger().warning("no picture: the source ended early", source=self._source, seq=seq)
            self._doubted_s = 0.0
            return True
        except FrameExpiredError:
            pass
        return False

    def _has_ended(self) -> bool:
        standing = self._ledger.read()
        return standing.epoch == standing.ended_epoch == self._epoch

    def _rewind(self, first: int) -> None:
        structlog.get_logger().info("rewind", source=self._source, first=first)
        self._rewound = self._epoch
        self._ledger.request_rewind()

    def _flush(self) -> None:
        for sink in self._sinks:
            sink.flush()
        self._report()
        self._trim(self._durable - self._retain)
        self._flushed_s = time.monotonic()

    def _report(self) -> None:
        done = min(sink.done for sink in self._sinks)
        self._ledger.write({f"done.{keys.ANNOTATOR}": done, f"durable.{keys.ANNOTATOR}": self._durable})
        self._unreported = 0

    def _finish(self, end: EndOfSource) -> None:
        for sink in self._sinks:
            sink.finish(end.frames, end.error)
        self._report()
        self._trim(end.frames - self._retain)
        written = {f"written.{kind}": sink.counts().frames for kind, sink in zip(self._kinds, self._sinks, strict=True)}
        self._ledger.write(written | {f"finished.{keys.ANNOTATOR}": 1, "finished_ns": time.time_ns()})
        self.finished = True

    def _trim(self, oldest: int) -> None:
        """Remove what nobody needs to write any more from the public stream, but for what late readers are granted."""
        gone = ""
        while self._entries and self._entries[0][0] < oldest:
            gone = self._entries.popleft()[1]
        if gone:
            self._broker.trim_before(keys.detections(self._source), gone)
