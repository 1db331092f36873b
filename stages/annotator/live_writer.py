"""A camera on its way into its outputs: nobody waits for them, and none of them waits for another."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import structlog

from pipeline import keys
from pipeline.broker import Broker, Delivery
from pipeline.errors import FrameStoreError, MessageError
from pipeline.frame import Planar
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.messages import Detections, EndOfSource
from pipeline.wire import decode
from stages.annotator.couriers.posting import CameraPosting
from stages.annotator.deriving import Deriving
from stages.annotator.live_output import LiveOutput, OpenSink
from stages.annotator.screens.screen import Screen
from stages.annotator.segments import boundary, stem

_FLUSH_S: Final = 0.5
_TOLD_EVERY_S: Final = 60.0
_SEGMENTS_TOLD: Final = 200


class LiveWriter:
    """Takes a camera's public stream entry by entry, and feeds the outputs; what it can't have, it skips and counts."""

    retells: ClassVar = False

    def __init__(
        self,
        broker: Broker,
        store: FrameStore,
        source: str,
        sinks: Mapping[str, OpenSink],
        segment_s: float,
        after: int,
        deriving: Deriving | None = None,
        postings: Sequence[CameraPosting] = (),
        screens: Sequence[Screen] = (),
    ) -> None:
        """`after`: the last frame that is in the segments of an earlier process; `deriving`: what is made of them.

        `postings`: those of the sinks that send; `screens`: those that show it live.
        """
        self._broker, self._store, self._source = broker, store, source
        outputs = [LiveOutput(kind, open_sink) for kind, open_sink in sinks.items()]
        self._outputs: list[LiveOutput | CameraPosting | Screen] = [*screens, *outputs, *postings]  # others draw
        self._postings = postings
        self._draws = "video" in sinks or bool(screens)
        self._deriving = deriving
        self._ended: EndOfSource | None = None
        self._segment_s = segment_s
        self._ledger = Ledger(broker, source)
        self._last = max(after, self._ledger.read().done((keys.ANNOTATOR,)))
        self._segment, self._ends_s = "", 0.0
        self._segments: list[str] = json.loads(self._ledger.read().text("segments") or "[]")
        self._lost = 0
        self._flushed_s = self._told_s = 0.0
        self.position = "0"
        """The last entry of the public stream that was taken."""
        self.finished = False
        """Whether the camera has come to an end, and its outputs have their final form."""

    @property
    def hungry(self) -> bool:
        """Whether more may be taken: always, but at the end, until all is made of the last segment."""
        return self._ended is None

    def take(self, delivery: Delivery) -> None:
        """Write the stream's next entry."""
        self.position = delivery.id
        try:
            message = decode(delivery.body)
        except MessageError as error:
            structlog.get_logger().error("damaged entry", source=self._source, id=delivery.id, error=str(error))
            return
        if isinstance(message, EndOfSource):
            self._end(message)
        elif isinstance(message, Detections):
            self._write(message)

    def advance(self) -> None:
        """Put on disk what was written, now and then; make a part of what is to be made of finished segments."""
        if self._deriving is not None:
            self._deriving.step()
        if self._ended is not None:
            self._end(self._ended)
            return
        if time.monotonic() - self._flushed_s > _FLUSH_S and not self.finished:
            self._flushed_s = time.monotonic()
            for output in self._outputs:
                output.flush()
            self._report()

    def close(self) -> None:
        """Leave the outputs readable as far as they go."""
        for output in self._outputs:
            output.close()
        if self._deriving is not None:
            self._deriving.close()
        self._report()

    def _write(self, found: Detections) -> None:
        seq = found.frame.seq
        if seq <= self._last and not self._begins_anew(found):
            return
        self._note_gap(found)
        at_s = found.frame.timestamp_s or found.frame.pts_s
        if at_s >= self._ends_s:
            self._begin_segment(at_s)
        pictured = any(event.snapshot for event in found.events)
        image = self._pixels(found) if self._draws or pictured else None
        for output in self._outputs:
            output.write(self._segment, found, image)
        self._last = seq

    def _begins_anew(self, found: Detections) -> bool:
        """Return whether the numbers begin again: the decoder and the broker have lost their memory."""
        standing = self._ledger.read()
        anew = found.frame.epoch == standing.epoch and standing.published < self._last
        if anew:
            self._ends_s = 0.0
        return anew

    def _note_gap(self, found: Detections) -> None:
        """Count frames that were published and are gone: this process has fallen behind by more than is kept."""
        lost = found.frame.seq - found.dropped_before - 1 - self._last
        if self._last < 0 or lost <= 0:
            return
        self._lost += lost
        if time.monotonic() - self._told_s > _TOLD_EVERY_S:
            self._told_s = time.monotonic()
            structlog.get_logger().warning("outputs fell behind", source=self._source, frames=self._lost)

    def _begin_segment(self, at_s: float) -> None:
        self._finish_segment(None)
        self._segment, self._ends_s = stem(self._source, at_s), boundary(at_s, self._segment_s)
        self._segments = [*self._segments, self._segment][-_SEGMENTS_TOLD:]
        self._ledger.write({"segments": json.dumps(self._segments)})

    def _finish_segment(self, end: EndOfSource | None) -> None:
        for output in self._outputs:
            output.finish(self._last + 1, end)
        if self._segment and self._deriving is not None:
            self._deriving.begin(self._segment)
        self._segment = ""

    def _pixels(self, found: Detections) -> Planar | None:
        """Return the full-size picture, None if it is not there any more, or never was."""
        if found.skipped is not None:
            return None
        try:
            return self._store.full(self._source, found.frame.epoch, found.frame.seq)
        except FrameStoreError:
            return None

    def _end(self, end: EndOfSource) -> None:
        self._ended = None
        if end.epoch < self._ledger.read().epoch:  # it has come back since
            return
        self._finish_segment(end)
        self._report()
        if self._deriving is not None and self._deriving.busy:
            self._ended = end
            return
        self._ledger.write({f"finished.{keys.ANNOTATOR}": end.epoch, "finished_ns": time.time_ns()})
        self.finished = True

    def _report(self) -> None:
        counts = {f"{name}.{output.kind}": getattr(output, name) for output in self._outputs for name in _COUNTED}
        places = {f"{field}.{keys.ANNOTATOR}": self._last for field in ("done", "durable")}
        sent = {name: count for posting in self._postings for name, count in posting.told().items()}
        self._ledger.write({**places, **counts, **sent, "lost": self._lost})


_COUNTED: Final = ("written", "missed")
