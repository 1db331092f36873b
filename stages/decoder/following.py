"""One recording, until its last frame has been written by all who must see it."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
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
from stages.decoder.source import Uneven, VideoSource

LEASE_S: Final = 5.0
"""A decoder that says nothing for so long has lost its source to another one."""
_READY_POLL_S: Final = 0.02


class Opener(Protocol):
    """Settings of a source, as far as the stage knows them."""

    @property
    def address(self) -> str:
        """Where it is, for people."""

    @property
    def size(self) -> int:
        """Of the file, bytes; 0 if unknown."""

    def contents(self) -> Iterator[bytes]:
        """Yield what is in its file, piece by piece; raises OSError."""

    def build(self) -> VideoSource:
        """Open the source."""


class Following:
    """Follows recordings, each under a lease so that other decoders leave it alone; threads may share it."""

    def __init__(
        self, broker: Broker, store: FrameStore, room: Room, owner: str, stop: threading.Event, *, hashes: bool = False
    ) -> None:
        """`hashes`: whether to take the SHA-256 of each recording."""
        self._broker, self._store, self._room = broker, store, room
        self._owner, self._stop, self._hashes = owner, stop, hashes
        self._reading: dict[str, Epoch] = {}
        self._uneven: set[str] = set()
        """Recordings that have to be read in one go."""

    @property
    def waits(self) -> list[bool]:
        """Whether it waits for room, of each recording that is being read."""
        return [epoch.waits for epoch in list(self._reading.values())]

    def announce(self, name: str, opener: Opener) -> None:
        """Let those who must see each frame open their outputs of a recording that is next."""
        ledger = Ledger(self._broker, name)
        if not ledger.read().fields:
            ledger.announce(opener.address, opener.size)

    def follow(self, name: str, opener: Opener) -> bool:
        """Return whether the recording needs nobody any more; False if another decoder has it.

        Raises:
            DetstreamError: it can't be followed.
        """
        ledger, lease = Ledger(self._broker, name), keys.lease(name)
        while not self._stop.is_set() and not ledger.read().finished(self._room.flow.required):
            if not self._broker.lease(lease, self._owner, LEASE_S):
                return False
            if self._expected(ledger, opener):
                self._epoch(ledger, opener)
        self._broker.release(lease, self._owner)
        return True

    def _expected(self, ledger: Ledger, opener: Opener) -> bool:
        """Return whether all who must see each frame have said where they are, told again that it is about to begin.

        They may have an output of it from before, and a broker that knows nothing of that.
        """
        standing = ledger.read()
        if standing.ready(self._room.flow.required) and "path" in standing.fields:
            return True
        ledger.announce(opener.address, opener.size)
        self._stop.wait(_READY_POLL_S)
        return False

    def _epoch(self, ledger: Ledger, opener: Opener) -> None:
        lease = _Lease(self._broker, keys.lease(ledger.source), self._owner)
        flow = self._room.flow

        def wanted() -> bool:
            return lease.kept() and not self._stop.is_set()

        epoch = Epoch(self._broker, ledger, flow, wanted)
        if not epoch.grounded:
            return
        log = structlog.get_logger().bind(source=ledger.source, epoch=epoch.number)
        log.info("decoding", first=epoch.start)
        try:
            if self._hashes:
                _note_hash(ledger, opener, wanted)
            self._decode_or_fail(epoch, ledger.source, opener)
        except EpochOver:
            log.info("epoch over")
        except Uneven:
            log.info("can't be cut: read in one go from here on")
            self._uneven.add(ledger.source)

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
            lanes = 1 if source in self._uneven or not self._store.takes_any_order else self._room.lanes
            facts = video.facts
            window = self._room.window(sizes.slot_bytes, lanes, facts.frames or facts.about)
            slots = window + SPARE_SLOTS
            writer = self._store.create(source, epoch.number, slots, sizes.slot_bytes, any_order=lanes > 1)
            with closing(writer), epoch.fenced():
                with self._counted(source, epoch):
                    epoch.decode(video, writer, sizes, window, lanes)
                epoch.wait_until_finished()

    @contextmanager
    def _counted(self, source: str, epoch: Epoch) -> Iterator[None]:
        self._reading[source] = epoch
        try:
            yield
        finally:
            del self._reading[source]


def _note_hash(ledger: Ledger, opener: Opener, wanted: Callable[[], bool]) -> None:
    """Tell a recording's SHA-256; of one that can't be read, whoever opens it will tell."""
    if "sha256" in ledger.read().fields:
        return
    digest = hashlib.sha256()
    with suppress(OSError):
        for piece in opener.contents():
            digest.update(piece)
            if not wanted():
                raise EpochOver
        ledger.write({"sha256": digest.hexdigest()})


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
