"""One pass over a source, from where its consumers are to its end."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from pipeline import keys
from pipeline.broker import Broker
from pipeline.frame import Pictures
from pipeline.frame_store import FrameWriter
from pipeline.ledger import Ledger, Standing
from pipeline.messages import Detections, EndOfSource, FrameMeta
from pipeline.settings import FlowSettings
from pipeline.wire import encode
from stages.decoder.lanes import drain
from stages.decoder.sizes import PictureSizes
from stages.decoder.source import Decoded, SourceFacts, VideoSource

_ROOM_POLL_A_FRAME_S: Final = 3e-4
_BURSTS_A_WINDOW: Final = 8
_BURST_S: Final = 0.02
"""A frame is told of at once if the one before came earlier than this."""
_LONGEST_ROOM_POLL_S: Final = 0.02
"""A wide window has frames enough to keep everybody busy meanwhile, and each look costs 0.25 ms of two processes."""
_END_POLL_S: Final = 0.02
_CHECK_S: Final = 0.1
"""How often a decoder that never has to wait looks whether it is still wanted."""


class EpochOver(Exception):  # noqa: N818 - it is no error
    """The epoch has been superseded, or the process is to stop."""


class Epoch:
    """Numbers, stores and announces the frames of one pass; holds back at the window's edge."""

    def __init__(self, broker: Broker, ledger: Ledger, flow: FlowSettings, wanted: Callable[[], bool]) -> None:
        self._broker, self._ledger, self._flow, self._wanted = broker, ledger, flow, wanted
        # A sink moves its positions back, then asks for the rewind: read the other way round, none is missed.
        self._rewinds = ledger.read().rewinds
        self.number = ledger.begin_epoch()
        standing = ledger.read()
        self.grounded = standing.ready(flow.required)
        """Whether all who must see each frame have said where they are; not if the broker has just lost its memory."""
        self._done = standing.done(flow.required)
        self._published = standing.published
        self.start = self._done + 1
        """The first frame whose pixels somebody needs."""
        self.anchor = standing.anchor(flow.required)
        """Number and time of the frame before it, if known: where to go on in the recording."""
        self._next = self.start
        self._checked_s = 0.0
        self._unsent: list[tuple[str, bytes]] = []
        self._burst = 1
        self._sent_s = 0.0
        self._telling = threading.RLock()
        self._given_up = False
        self.waits = False
        """Whether those behind have frames enough, so that the next one has to wait for room."""

    def decode(
        self, video: VideoSource, writer: FrameWriter, sizes: PictureSizes, window: int, most_lanes: int = 1
    ) -> None:
        """Store and announce each frame from `start` on, then the end, or the reason of an early one.

        With more than one lane the frames come in any order, but none from beyond the window.

        Raises:
            EpochOver: superseded, or told to stop.
            FrameStoreError: a frame found no room.
            Uneven: there can be one lane only.
        """
        self._ledger.write(_facts_fields(video.facts))
        self._burst = max(window // _BURSTS_A_WINDOW, 1)
        lanes = video.lanes(most_lanes, self.start, self.anchor) if most_lanes > 1 else []
        lanes = lanes or [video.frames(self.start, self.anchor)]

        def emit(decoded: Decoded) -> None:
            self._wait_for_room(decoded.seq, window)
            self._emit(decoded, writer, sizes)

        error = drain(lanes, emit, self._give_up)
        if error is not None:
            structlog.get_logger().error("source failed", source=self._ledger.source, error=error)
        self.end(error)

    def _give_up(self) -> None:
        self._given_up = True

    @contextmanager
    def fenced(self) -> Iterator[None]:
        """See to it that an epoch which ends early is over for everybody before its pixels are gone.

        A detector that finds no pixels for a work item forgets the item if its epoch is over, and reports the frame as
        failed if it is not.
        """
        try:
            yield
        except BaseException:
            if self._ledger.read().epoch == self.number:
                self._ledger.begin_epoch()
            raise

    def end(self, error: str | None) -> None:
        """Say how many frames there were, and why there are no more if that is not the recording's end."""
        # A recording that was whole at first may be damaged now; what is published stays.
        frames = max(self._next, self._published + 1)
        self._announce()
        with self._broker.transaction() as transaction:
            transaction.append(keys.RAW, encode(EndOfSource(self._ledger.source, self.number, frames, error)))
            self._ledger.write_in(
                transaction, {"frames": frames, "decoded": frames, "error": error or "", "ended_epoch": self.number}
            )

    def wait_until_finished(self) -> None:
        """Return when all who must see each frame have the source in its final form.

        Raises:
            EpochOver: superseded, or told to stop.
        """
        while not self._check().finished(self._flow.required):
            time.sleep(_END_POLL_S)

    def _wait_for_room(self, seq: int, window: int) -> None:
        if time.monotonic() - self._checked_s > _CHECK_S:
            self._check()
        if seq - self._done <= window:
            self.waits = False
            return
        self.waits = True
        while seq - self._done > window:
            if self._unsent:  # another lane's, too: it may have nothing more to say
                self._announce()
            time.sleep(min(window * _ROOM_POLL_A_FRAME_S, _LONGEST_ROOM_POLL_S))
            self._check()
            self._sent_s = time.monotonic()  # the frames that there is room for now come fast, and go together

    def _check(self) -> Standing:
        standing = self._ledger.read()
        self._done = standing.done(self._flow.required)
        self._checked_s = time.monotonic()
        superseded = standing.epoch != self.number or standing.rewinds != self._rewinds
        if superseded or self._given_up or not self._wanted():
            raise EpochOver
        return standing

    def _emit(self, decoded: Decoded, writer: FrameWriter, sizes: PictureSizes) -> None:
        meta = self._meta(decoded)
        fresh = decoded.seq > self._published
        if decoded.error is None:
            detect = decoded.scaled(*sizes.detect) if fresh else None
            writer.put(meta, Pictures(detect, sizes.whole(decoded.scaled)))
        else:
            writer.put(meta, Pictures())
        with self._telling:
            if fresh and decoded.error is not None:
                self._unsent.append((keys.RAW, encode(Detections.failed(meta, decoded.error))))
            elif fresh:
                self._unsent.append((keys.FRAMES, encode(meta)))
            self._next = max(self._next, decoded.seq + 1)
            if len(self._unsent) >= self._burst or time.monotonic() - self._sent_s > _BURST_S:
                self._announce()

    def _announce(self) -> None:
        """Tell of the frames that are stored, several at once where they come fast: fewer steps for all."""
        with self._telling, self._broker.transaction() as transaction:
            self._ledger.write_in(transaction, {"decoded": self._next})
            for stream, body in self._unsent:
                transaction.append(stream, body)
            self._unsent.clear()
            self._sent_s = time.monotonic()

    def _meta(self, decoded: Decoded) -> FrameMeta:
        return FrameMeta(
            source=self._ledger.source,
            epoch=self.number,
            seq=decoded.seq,
            pts_s=decoded.pts_s,
            width=decoded.width,
            height=decoded.height,
            timestamp_s=decoded.timestamp_s,
            captured_ns=decoded.captured_ns,
            decoded_ns=time.time_ns(),
        )


def _facts_fields(facts: SourceFacts) -> dict[str, str | int | float]:
    fields: dict[str, str | int | float] = {"width": facts.width, "height": facts.height, "fps": facts.fps}
    if facts.frames:
        fields["expected"] = facts.frames
    if facts.about:
        fields["about"] = facts.about
    return fields | {"codec": facts.codec}
