"""The pictures of one recording, fetched for its sinks; asked for again where they are gone."""

import time
from typing import Final

import structlog

from pipeline.broker import Transaction
from pipeline.errors import FrameExpiredError, FramePendingError
from pipeline.frame import Planar
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.messages import Detections

_DOUBT_EVERY_S: Final = 0.1


class Pixels:
    """Knows which epoch pictures are of, and when one will never come."""

    def __init__(self, store: FrameStore, ledger: Ledger) -> None:
        self._store, self._ledger, self._source = store, ledger, ledger.source
        self._epoch = ledger.read().epoch
        self._rewound = 0
        self._doubted_s = 0.0

    def of(self, found: Detections) -> Planar | None:
        """Return the full-size picture, None for a frame that has none because it couldn't be decoded, now or at all.

        Raises:
            FramePendingError: it will come, in this epoch or the next.
        """
        seq = found.frame.seq
        try:
            return self._store.full(self._source, self._epoch, seq)
        except FramePendingError:
            if self._is_lost(seq):
                return None
            raise
        except FrameExpiredError:
            known, self._epoch = self._epoch, self._ledger.read().epoch
            if known == self._epoch and found.error is not None:
                return None
            if known == self._epoch and known > self._rewound:
                self.ask_again(seq)
            raise FramePendingError(f"{self._source}: frame {seq} is to be decoded again") from None

    def ask_again(self, first: int, transaction: Transaction | None = None) -> None:
        """Ask the decoder to begin again where outputs are durable; in a transaction, together with what is in it."""
        structlog.get_logger().info("rewind", source=self._source, first=first)
        self._rewound = self._epoch
        if transaction is None:
            self._ledger.request_rewind()
        else:
            self._ledger.request_rewind_in(transaction)

    def _is_lost(self, seq: int) -> bool:
        """Return whether the source has ended before it came to this frame again: it was changed since the first time.

        Asked for only now and then: a frame that is merely on its way has its picture in milliseconds.
        """
        if time.monotonic() - self._doubted_s < _DOUBT_EVERY_S:
            return False
        self._doubted_s = time.monotonic()
        if self._is_overtaken() or not self._has_ended():
            return False
        try:
            self._store.full(self._source, self._epoch, seq)  # the last ones may just have come
        except FramePendingError:
            if not self._has_ended():  # the pixels are gone because the epoch is over: they will come again
                return False
            structlog.get_logger().warning("no picture: the source ended early", source=self._source, seq=seq)
            self._doubted_s = 0.0
            return True
        except FrameExpiredError:
            pass
        return False

    def _is_overtaken(self) -> bool:
        """Move on to the newest epoch; the one that is waited for may have been over before it stored a picture."""
        known, self._epoch = self._epoch, self._ledger.read().epoch
        return known != self._epoch

    def _has_ended(self) -> bool:
        standing = self._ledger.read()
        return standing.epoch == standing.ended_epoch == self._epoch
