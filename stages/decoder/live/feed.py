"""Frames of a camera on their way to the detectors: numbered, gated, stored, and offered while they are the newest."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from pipeline import keys
from pipeline.answers import answer
from pipeline.broker import Broker
from pipeline.frame_store import FrameStore, FrameWriter
from pipeline.ledger import Ledger
from pipeline.messages import Detections, EndOfSource, FrameMeta, Turn
from pipeline.settings import FlowSettings
from pipeline.wire import decode, encode
from stages.decoder.live.captured import Captured
from stages.decoder.live.clock import CaptureClock
from stages.decoder.live.gates import MotionGate, RateGate, glance
from stages.decoder.live.settings import LiveSettings
from stages.decoder.live.states import Tally, end_camera
from stages.decoder.sizes import PictureSizes, region

_LINGER_POLL_S: Final = 0.02
_CHECK_S: Final = 1.0
"""How often to look whether the camera is still this decoder's."""


class FeedOver(Exception):  # noqa: N818 - it is no error
    """Another decoder has the camera."""


class Feed:
    """One camera's frames, for as long as this decoder has it; called from its thread.

    Each frame that comes has a number, also over decoders. What nobody shall look at, by the settings, goes no further.
    """

    def __init__(
        self,
        broker: Broker,
        store: FrameStore,
        name: str,
        settings: LiveSettings,
        flow: FlowSettings,
        slots: Callable[[int, float], int],
        revision: int = 0,
    ) -> None:
        """`slots`: how many frames of so many bytes, at so many a second, may wait in the store.

        `revision` is that of the wish for it.
        """
        self._broker, self._store, self.name, self._settings, self._flow = broker, store, name, settings, flow
        self._slots, self._revision, self._ledger = slots, revision, Ledger(broker, name)
        self.tally = Tally()
        self.epoch = self._ledger.begin_epoch(live=True)
        broker.withdraw(keys.live(name), self.epoch)  # from here on, who had the camera before gets no number more
        self.next = self._first(broker.get_fields(keys.live(name)), broker.get_fields(keys.checkpoint(name)))
        """The number of the next frame."""
        self.clock = CaptureClock(_last_time_s(broker.get_fields(keys.live(name))), time.monotonic())
        """The camera's, over reconnects and decoders."""
        self._rate = RateGate(settings.fps)
        motion = settings.motion
        self._motion = MotionGate(motion.threshold, motion.min_area, motion.force_every_s) if motion.enabled else None
        self._writer: FrameWriter | None = None
        self._codec, self._fps = "", 0.0
        self._checked_s = time.monotonic()
        self._room = 0
        """Bytes of pictures that a frame may have in the store as it is."""
        self._told = (0, 0)
        """Width and height that the camera is known to have."""
        self._offered = -1

    def begin(self, codec: str, fps: float) -> None:
        """Note what the camera says of itself now that it is open.

        Raises:
            FeedOver: another decoder has the camera.
        """
        self.keep()
        self._codec, self._fps = codec, min(fps, self._settings.fps or fps)
        self._ledger.write({"codec": codec, "fps": self._fps})

    def take(self, captured: Captured) -> None:
        """Number a frame, and offer it to the detectors if it is worth a look.

        Raises:
            FeedOver: another decoder has the camera.
            FrameStoreError: there is no room for its pictures.
        """
        self._check()
        seq = self.next + captured.missed
        self.next = seq + 1
        self.tally.captured += captured.missed + 1
        self.tally.corrupt += captured.corrupt is not None
        unwanted = captured.corrupt is not None and self._settings.corrupt == "drop"
        if unwanted or not self._rate.passes(captured.timestamp_s):
            return
        gate, roi = self._motion, self._settings.roi
        if gate is not None and not gate.passes(glance(captured, roi), captured.timestamp_s):
            self._skip(self._meta(seq, captured))
        else:
            self._offer(seq, captured)

    def keep(self) -> None:
        """Do nothing if the camera is still this decoder's.

        Raises:
            FeedOver: another decoder has it.
        """
        if self._ledger.read().epoch > self.epoch:
            raise FeedOver(self.name)

    def end(self, error: str | None = None) -> None:
        """Say that nothing more will come.

        Raises:
            FeedOver: another decoder has the camera.
        """
        self.keep()
        last = int(self._broker.get_fields(keys.live(self.name)).get("bound", -1))
        end = EndOfSource(self.name, self.epoch, self.next, error, last)
        end_camera(self._broker, self._ledger, end, self._revision)

    def close(self, linger_s: float = 0.0) -> None:
        """Free the pixels, when those that somebody still looks at are done with, or after `linger_s` seconds."""
        self._broker.withdraw(keys.live(self.name), self.epoch)
        deadline_s = time.monotonic() + linger_s
        while self._writer is not None and self._is_looked_at() and time.monotonic() < deadline_s:
            time.sleep(_LINGER_POLL_S)
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def finished(self) -> bool:
        """Return whether, after `end`, all who must see each frame are done."""
        standing = self._ledger.read()
        return standing.epoch != self.epoch or standing.finished(self._flow.required)

    def _first(self, live: Mapping[str, bytes], published: Mapping[str, bytes]) -> int:
        known = [int(live.get(field, -1)) + 1 for field in ("newest", "bound")]
        return max(*known, int(published.get("following", 0)), self._ledger.read().number("captured", 0))

    def _offer(self, seq: int, captured: Captured) -> None:
        roi = region(self._settings.roi, captured.width, captured.height)
        sizes = PictureSizes.of(captured.width, captured.height, self._flow, roi)
        writer = self._writer_for(sizes, captured.width, captured.height)
        meta = self._meta(seq, captured)
        writer.put(meta, sizes.pictures(captured.scaled))
        meta = replace(meta, decoded_ns=time.time_ns())
        if not self._broker.offer(keys.live(self.name), self.epoch, seq, encode(meta), encode(Turn())):
            raise FeedOver(self.name)
        self._offered = seq
        self.tally.offered += 1

    def _skip(self, meta: FrameMeta) -> None:
        """Publish that nobody looked, unless an earlier frame waits to be looked at."""
        previous = self._broker.pass_over(keys.live(self.name), self.epoch, meta.seq)
        if previous is None:
            return
        found = replace(Detections.none(replace(meta, previous=previous)), skipped="motion")
        with self._broker.transaction() as transaction:
            answer(transaction, found, live=True)
        self.tally.skipped += 1

    def _writer_for(self, sizes: PictureSizes, width: int, height: int) -> FrameWriter:
        """Return the store as it is, or a new one where the camera's pictures have become larger."""
        if sizes.slot_bytes > self._room and self._writer is not None:
            self._begin_epoch()
        if self._writer is None:
            slots = self._slots(sizes.slot_bytes, self._fps)
            self._writer = self._store.create(self.name, self.epoch, slots, sizes.slot_bytes)
            self._room = sizes.slot_bytes
            self._told = (0, 0)
        if self._told != (width, height):
            self._told = (width, height)
            self._ledger.write({"width": width, "height": height, "fps": self._fps})
        return self._writer

    def _check(self) -> None:
        """Now and then, see whether another decoder has the camera, or the broker has lost its memory."""
        if time.monotonic() - self._checked_s < _CHECK_S:
            return
        self._checked_s = time.monotonic()
        if self._ledger.read().epoch != self.epoch:
            self._begin_epoch()

    def _begin_epoch(self) -> None:
        """Begin a new epoch, with pictures of its own, unless another decoder has done so."""
        self.keep()
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        self.epoch = self._ledger.begin_epoch(live=True, after=self.epoch)
        self._ledger.write({"codec": self._codec, "fps": self._fps})

    def _is_looked_at(self) -> bool:
        live, standing = self._broker.get_fields(keys.live(self.name)), self._ledger.read()
        bound = int(live.get("bound", -1))
        return standing.epoch == self.epoch and standing.done(self._flow.required) < bound

    def _meta(self, seq: int, captured: Captured) -> FrameMeta:
        return FrameMeta(
            source=self.name,
            epoch=self.epoch,
            seq=seq,
            pts_s=captured.pts_s,
            width=captured.width,
            height=captured.height,
            timestamp_s=captured.timestamp_s,
            captured_ns=captured.captured_ns,
            corrupt=captured.corrupt is not None,
            roi=region(self._settings.roi, captured.width, captured.height),
        )


def _last_time_s(live: Mapping[str, bytes]) -> float | None:
    """Return when the newest frame was captured that any decoder told of."""
    message = decode(live["meta"]) if "meta" in live else None
    return message.timestamp_s if isinstance(message, FrameMeta) else None
