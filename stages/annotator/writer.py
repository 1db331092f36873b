"""One source on its way into its outputs."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Final

import structlog

from pipeline import keys
from pipeline.broker import Broker, Delivery, Transaction
from pipeline.errors import FramePendingError, MessageError
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.messages import Detections, EndOfSource
from pipeline.wire import decode
from stages.annotator.couriers.posting import RecordingPosting
from stages.annotator.past import Past
from stages.annotator.pixels import Pixels
from stages.annotator.sink import Concluding, Sink
from stages.annotator.times import Times

_FLUSH_S: Final = 0.2
_KEEP_S: Final = 1.0
_REPORT_EVERY: Final = 8
"""Frames between two reports of the position: often enough that the decoder never waits for one."""


class Writer:
    """Takes a source's public stream entry by entry, fetches the pixels, and feeds the sinks."""

    retells: ClassVar = True

    def __init__(
        self,
        broker: Broker,
        store: FrameStore,
        source: str,
        sinks: Mapping[str, Sink],
        retain: int,
        past: Past | None = None,
        record: Callable[[], Iterator[None]] | None = None,
        postings: Sequence[RecordingPosting] = (),
    ) -> None:
        """`past`: what is on disk of it, for a broker that has lost its memory; `retain`: frames for late readers.

        `record`: begun when all outputs have their final form, and gone on with in turn; then everybody is told.
        `postings`: those of the sinks that send, which may be too slow for more.
        """
        self._broker, self._store, self._source, self._retain = broker, store, source, retain
        self._past, self._record = past, record
        self._restoring: Iterator[None] | None = None
        self._recording: Iterator[None] | None = None
        self._times = Times() if past is None else past.times()
        self._kept_s, self._begun = 0.0, False
        self._kinds, self._postings = (*sinks, *(posting.kind for posting in postings)), postings
        self._sinks: tuple[Sink, ...] = (*sinks.values(), *postings)
        self._ledger = Ledger(broker, source)
        self._pixels = Pixels(store, self._ledger)
        self._backlog: deque[Delivery] = deque()
        self._entries: deque[tuple[int, str]] = deque()
        self._unreported = 0
        self._flushed_s = 0.0
        self.position = "0"
        """The last entry of the public stream that was taken."""
        self.finished = False
        """Whether every output has its final form."""
        self._resume()

    @property
    def hungry(self) -> bool:
        """Whether there is nothing left to write, so that more may be taken."""
        return not self._backlog and self._recording is None

    def take(self, delivery: Delivery) -> None:
        """Accept the stream's next entry."""
        self._backlog.append(delivery)
        self.position = delivery.id

    def advance(self) -> None:
        """Write what can be written now; return early where pixels are still on their way."""
        if self._restoring is not None:
            self._go_on_restoring()
            return
        if self._recording is not None:
            self._go_on_recording(self._recording)
            return
        while self._backlog and not self._is_held_back and self._write(self._backlog[0]):
            self._backlog.popleft()
        if self._unreported and not self._backlog:
            self._report()  # with a window of a few frames, the decoder is waiting for it
        if time.monotonic() - self._flushed_s > _FLUSH_S and not self.finished:
            self._flush()

    def close(self) -> None:
        """Leave the outputs readable as far as they go."""
        self._recording = None
        if not self.finished:
            for sink in self._sinks:
                sink.close()

    def _resume(self) -> None:
        """Say where the outputs are; ask for pixels again that a predecessor had let go before its output was safe."""
        standing = self._ledger.read()
        if not standing.ready((keys.ANNOTATOR,)):
            self._tell_all()
            return
        with self._broker.transaction() as transaction:  # who dies between the two would leave a hole
            self._report_in(transaction)
            if self._draws and standing.done((keys.ANNOTATOR,)) > self._durable:
                self._pixels.ask_again(self._durable + 1, transaction)

    def _tell_all(self) -> None:
        """Tell a broker that knows nothing of the source what is on disk of it, and only then where the outputs are."""
        self._backlog.clear()
        self._entries.clear()
        self.position, self._pixels = "0", Pixels(self._store, self._ledger)
        known = self._past is not None and max(sink.done for sink in self._sinks) >= 0
        self._restoring = self._past.restore(self._broker, self._ledger) if self._past and known else iter(())
        self._go_on_restoring()

    def _go_on_restoring(self) -> None:
        for _ in self._restoring or ():
            return
        self._restoring = None
        self._report()

    @property
    def _draws(self) -> bool:
        return any(sink.needs_pixels for sink in self._sinks)

    @property
    def _is_held_back(self) -> bool:
        return any(posting.full for posting in self._postings)

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
            over = [posting.is_over(message) for posting in self._postings]  # each is to hear of it
            if not all(over):
                return False
            self._finish(message)
        elif isinstance(message, Detections):
            return self._write_frame(message, delivery.id)
        return True

    def _write_frame(self, found: Detections, entry_id: str) -> bool:
        image = None
        pictured = any(event.snapshot for event in found.events)
        if any((sink.needs_pixels or pictured) and sink.done < found.frame.seq for sink in self._sinks):
            try:
                image = self._pixels.of(found)
            except FramePendingError:
                return False
        if self._past is not None and not self._begun:
            self._past.begin(self._fps())
            self._begun = True
        for sink in self._sinks:
            sink.write(found, image)
        self._entries.append((found.frame.seq, entry_id))
        self._times.note(found.frame.seq, found.frame.pts_s)
        self._unreported += 1
        if self._unreported >= _REPORT_EVERY:
            self._report()
        return True

    def _flush(self) -> None:
        self._flushed_s = time.monotonic()
        for sink in self._sinks:
            sink.flush()
        if not self._ledger.read().ready((keys.ANNOTATOR,)):
            structlog.get_logger().warning("the broker has lost its memory: told again", source=self._source)
            self._tell_all()
            return
        self._report()
        self._trim(self._durable - self._retain)
        if self._past is not None and self._flushed_s - self._kept_s > _KEEP_S:
            self._kept_s = self._flushed_s
            self._past.keep_tracks(self._broker.get_fields(keys.states(self._source)), self._durable, self._fps())

    def _report(self) -> None:
        with self._broker.transaction() as transaction:
            self._report_in(transaction)

    def _report_in(self, transaction: Transaction) -> None:
        done = min(sink.done for sink in self._sinks)
        pts_s = self._times.of(done)
        at = "" if pts_s is None else repr(pts_s)
        places: dict[str, str | int | float | bytes] = {"done": done, "durable": self._durable, "done_pts": at}
        sent = {name: count for posting in self._postings for name, count in posting.told().items()}
        told = {f"{field}.{keys.ANNOTATOR}": value for field, value in places.items()}
        self._ledger.write_in(transaction, told | sent)
        self._unreported = 0

    def _fps(self) -> float:
        return float(self._ledger.read().text("fps") or 0)

    def _finish(self, end: EndOfSource) -> None:
        for sink in self._sinks:
            if isinstance(sink, Concluding):
                sink.conclude(end)
            sink.finish(end.frames, end.error)
        self._report()
        self._trim(end.frames - self._retain)
        written = {f"written.{kind}": sink.counts().frames for kind, sink in zip(self._kinds, self._sinks, strict=True)}
        self._ledger.write(written | {"finished_ns": time.time_ns()})
        self._recording = iter(()) if self._record is None else self._record()
        self._go_on_recording(self._recording)

    def _go_on_recording(self, recording: Iterator[None]) -> None:
        for _ in recording:
            return
        self._recording = None
        self._ledger.write({f"finished.{keys.ANNOTATOR}": 1})
        self.finished = True

    def _trim(self, oldest: int) -> None:
        """Remove what nobody needs to write any more from the public stream, but for what late readers are granted."""
        gone = ""
        while self._entries and self._entries[0][0] < oldest:
            gone = self._entries.popleft()[1]
        if gone:
            self._broker.trim_before(keys.detections(self._source), gone)
