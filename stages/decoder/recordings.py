"""Recordings: each is followed until its last frame has been written by all who must see it."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from typing import Final, Protocol, TypeAlias

import structlog

from pipeline import keys
from pipeline.broker import Broker
from pipeline.errors import SourceError
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.memory import SPARE_SLOTS
from stages.decoder.epoch import Epoch, EpochOver
from stages.decoder.pace import Pace
from stages.decoder.room import Room
from stages.decoder.sizes import PictureSizes
from stages.decoder.source import VideoSource

LEASE_S: Final = 5.0
"""A decoder that says nothing for so long has lost its source to another one."""
_CLAIM_POLL_S: Final = 0.3
_READY_POLL_S: Final = 0.02
_LOOK_S: Final = 0.1


class Opener(Protocol):
    """Settings of a source, as far as the stage knows them."""

    @property
    def address(self) -> str:
        """Where it is, for people."""

    @property
    def size(self) -> int:
        """Of the file, bytes; 0 if unknown."""

    def build(self) -> VideoSource:
        """Open the source."""


Named: TypeAlias = tuple[str, Opener]
"""A source's name and its settings."""


class Recordings:
    """Decodes recordings, so many at a time, each under a lease so that other decoders leave it alone."""

    def __init__(
        self, broker: Broker, store: FrameStore, room: Room, owner: str, stop: threading.Event, pace: Pace
    ) -> None:
        self._broker = broker
        self._store = store
        self._room = room
        self._owner = owner
        self._stop = stop
        self._pace = pace
        self._waiting: deque[Named] = deque()
        self._reading: dict[str, Epoch] = {}

    def run(self, sources: Sequence[Named]) -> None:
        """Return when all are finished, or when told to stop.

        Raises:
            DetstreamError: the first error that made a source impossible to follow.
        """
        self._waiting.extend(sources)
        with ThreadPoolExecutor(self._room.recordings or 1, "source") as threads:
            try:
                self._keep_busy(threads)
            except BaseException:
                self._stop.set()
                raise

    def _keep_busy(self, threads: ThreadPoolExecutor) -> None:
        tasks: set[Future[None]] = set()
        looked_s = 0.0
        while (self._waiting or tasks) and not self._stop.is_set():
            while self._waiting and len(tasks) < self._pace.readers:
                tasks.add(threads.submit(self._take, self._waiting.popleft()))
                self._announce_next()
            over, tasks = wait(tasks, _LOOK_S, FIRST_COMPLETED)
            for task in over:
                task.result()
            if time.monotonic() - looked_s >= _LOOK_S:
                looked_s = time.monotonic()
                self._pace.look([epoch.waits for epoch in list(self._reading.values())])

    def _announce_next(self) -> None:
        """Let those who must see each frame open their outputs of the next one, while this one is read."""
        for name, opener in list(self._waiting)[: self._pace.readers]:
            standing = (ledger := Ledger(self._broker, name)).read()
            if not standing.fields:
                ledger.announce(opener.address, opener.size)

    def _take(self, source: Named) -> None:
        """Follow a source; one that another decoder follows goes to the end of the line."""
        if not self._followed(*source):
            self._stop.wait(_CLAIM_POLL_S)
            self._waiting.append(source)

    def _followed(self, name: str, opener: Opener) -> bool:
        """Return whether the source needs nobody any more; False if another decoder has it."""
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
        if ledger.read().ready(self._room.flow.required):
            return True
        ledger.announce(opener.address, opener.size)
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
                with self._counted(source, epoch):
                    epoch.decode(video, writer, sizes, window)
                epoch.wait_until_finished()

    @contextmanager
    def _counted(self, source: str, epoch: Epoch) -> Iterator[None]:
        self._reading[source] = epoch
        try:
            yield
        finally:
            del self._reading[source]


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
