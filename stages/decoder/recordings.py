"""Recordings: each is followed until its last frame has been written by all who must see it."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final, Protocol

import structlog

from pipeline import keys
from pipeline.broker import Broker
from pipeline.errors import SourceError
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.memory import SPARE_SLOTS
from stages.decoder.epoch import Epoch, EpochOver
from stages.decoder.room import Room
from stages.decoder.sizes import PictureSizes
from stages.decoder.source import VideoSource

LEASE_S: Final = 5.0
"""A decoder that says nothing for so long has lost its source to another one."""
_CLAIM_POLL_S: Final = 0.3
_READY_POLL_S: Final = 0.02


class Opener(Protocol):
    """Settings of a source, as far as the stage knows them."""

    @property
    def address(self) -> str:
        """Where it is, for people."""

    def build(self) -> VideoSource:
        """Open the source."""


class Recordings:
    """Decodes recordings, so many at a time, each under a lease so that other decoders leave it alone."""

    def __init__(self, broker: Broker, store: FrameStore, room: Room, owner: str, stop: threading.Event) -> None:
        self._broker = broker
        self._store = store
        self._room = room
        self._owner = owner
        self._stop = stop

    def run(self, sources: Sequence[tuple[str, Opener]]) -> None:
        """Return when all are finished, or when told to stop.

        Raises:
            DetstreamError: the first error that made a source impossible to follow.
        """
        if not sources:
            return
        waiting = deque(sources)
        with ThreadPoolExecutor(self._room.recordings, "source") as threads:
            for task in [threads.submit(self._work, waiting) for _ in range(self._room.recordings)]:
                task.result()

    def _work(self, waiting: deque[tuple[str, Opener]]) -> None:
        try:
            while waiting and not self._stop.is_set():
                self._take(waiting)
        except BaseException:
            self._stop.set()
            raise

    def _take(self, waiting: deque[tuple[str, Opener]]) -> None:
        """Follow the next source; one that another decoder follows goes to the end of the line."""
        try:
            name, opener = waiting.popleft()
        except IndexError:  # another thread was faster
            return
        if not self._followed(name, opener):
            waiting.append((name, opener))
            self._stop.wait(_CLAIM_POLL_S)

    def _followed(self, name: str, opener: Opener) -> bool:
        """Return whether the source needs nobody any more; False if another decoder has it."""
        ledger, lease = Ledger(self._broker, name), keys.lease(name)
        while not self._stop.is_set() and not ledger.read().finished(self._room.flow.required):
            if not self._broker.lease(lease, self._owner, LEASE_S):
                return False
            if self._expected(ledger, opener.address):
                self._epoch(ledger, opener)
        self._broker.release(lease, self._owner)
        return True

    def _expected(self, ledger: Ledger, address: str) -> bool:
        """Return whether all who must see each frame have said where they are, told again that it is about to begin.

        They may have an output of it from before, and a broker that knows nothing of that.
        """
        if ledger.read().ready(self._room.flow.required):
            return True
        ledger.announce(address)
        self._stop.wait(_READY_POLL_S)
        return False

    def _epoch(self, ledger: Ledger, opener: Opener) -> None:
        lease = _Lease(self._broker, keys.lease(ledger.source), self._owner)
        flow = self._room.flow
        epoch = Epoch(self._broker, ledger, flow, lambda: lease.kept() and not self._stop.is_set())
        log = structlog.get_logger().bind(source=ledger.source, epoch=epoch.number)
        log.info("decoding", first=epoch.start)
        try:
            self._decode_or_fail(epoch, ledger.source, opener)
        except EpochOver:
            log.info("epoch over")

    def _decode_or_fail(self, epoch: Epoch, source: str, opener: Opener) -> None:
        try:
            self._decode(epoch, source, opener)
        except SourceError as error:
            structlog.get_logger().error("source failed", source=source, error=str(error))
            epoch.end(str(error))
            epoch.wait_until_finished()

    def _decode(self, epoch: Epoch, source: str, opener: Opener) -> None:
        """Decode from the epoch's start to the end, and hold the pixels until all who need them are done.

        Raises:
            EpochOver: superseded, or told to stop.
            SourceError: the source can't be opened.
            ConfigError: `memory_mb` is too small for frames of this size.
            FrameStoreError: the pixels found no room.
        """
        with closing(opener.build()) as video:
            sizes = PictureSizes.of(video.facts.width, video.facts.height, self._room.flow)
            window = self._room.window(sizes.slot_bytes)
            writer = self._store.create(source, epoch.number, window + SPARE_SLOTS, sizes.slot_bytes)
            with closing(writer), epoch.fenced():
                epoch.decode(video, writer, sizes, window)
                epoch.wait_until_finished()


class _Lease:
    """A lease that is renewed when it is asked for, but not at every frame."""

    def __init__(self, broker: Broker, key: str, owner: str) -> None:
        self._broker, self._key, self._owner = broker, key, owner
        self._renewed_s = -LEASE_S

    def kept(self) -> bool:
        """Return whether the lease is ours for a while yet."""
        now_s = time.monotonic()
        if now_s - self._renewed_s > LEASE_S / 5:
            self._renewed_s = now_s
            return self._broker.lease(self._key, self._owner, LEASE_S)
        return True
