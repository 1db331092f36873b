"""Carries parcels to one peer in a thread of its own: nobody waits for the peer but who wants to."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

import structlog

from pipeline.errors import PeerError, RefusedError, SinkError
from stages.annotator.couriers.parcel import Parcel
from stages.annotator.couriers.pauses import Pauses
from stages.annotator.couriers.peer import Connect, Peer, Sending
from stages.annotator.couriers.waiting import Waiting, ids

Bury: TypeAlias = Callable[[str, Parcel, str], None]
"""Keeps a parcel that the sink of that name can't get rid of, with the reason."""

_TOLD_EVERY_S: Final = 60.0


class Courier:
    """Sends in order, one `send` at a time, and the same again until the peer takes it or refuses it for good.

    At least once: what the peer took without our hearing of it is sent again.
    """

    def __init__(self, settings: Sending, connect: Connect, bury: Bury, pauses: Pauses | None = None) -> None:
        self.name, self._settings = settings.label, settings
        self._connect, self._bury, self._pauses = connect, bury, pauses or Pauses()
        self._peer: Peer | None = None
        self._waiting = Waiting(settings.queue)
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._failing_since_s: float | None = None
        self._told_s = 0.0
        self.sent: Counter[str] = Counter()
        """Of each source, parcels that the peer has taken."""
        self.refused: Counter[str] = Counter()
        """Of each source, parcels that it refused for good; they are among the dead letters."""
        self._thread = threading.Thread(target=self._work, name=f"courier {self.name}", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether as much waits as may."""
        with self._changed:
            return self._waiting.full

    @property
    def failing(self) -> bool:
        """Whether the last try has failed."""
        return self._failing_since_s is not None

    def missed(self, source: str) -> int:
        """Return how many parcels of a source were dropped."""
        with self._changed:
            return self._waiting.missed[source]

    def post(self, parcels: Sequence[Parcel], *, droppable: bool) -> None:
        """Take parcels, at once; where too many wait, of those that are `droppable` the oldest are dropped."""
        with self._changed:
            for parcel in parcels:
                self._waiting.put(parcel, droppable)
            self._changed.notify_all()

    def first_kept(self, source: str) -> int | None:
        """Return the frame of a source's first parcel that is not settled and can't be dropped, None if all are."""
        with self._changed:
            return self._waiting.first_kept(source)

    def outstanding(self, source: str) -> int:
        """Return how many parcels of a source are not settled."""
        with self._changed:
            return self._waiting.of(source)

    def drop(self, source: str) -> None:
        """Drop what waits of a source, and count it as missed."""
        with self._changed:
            self._waiting.drop(source)

    def close(self, patience_s: float) -> None:
        """Send what waits, but for no longer than `patience_s` seconds, and not after the next failure."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(patience_s)

    def _work(self) -> None:
        while parcels := self._next():
            if not self._deliver(parcels):
                break
        self._hang_up()

    def _next(self) -> list[Parcel]:
        """Return what is to be sent next; nothing if there is nothing left to do."""
        with self._changed:
            while not len(self._waiting) and not self._closing.is_set():
                self._changed.wait()
            return self._waiting.take(self._settings.at_once)

    def _deliver(self, parcels: Sequence[Parcel]) -> bool:
        """Send until all are settled; False if it was given up, as all comes to an end."""
        while True:
            try:
                self._send(parcels)
            except RefusedError as error:
                if len(parcels) > 1:
                    return all(self._deliver([parcel]) for parcel in parcels)
                self._refuse(parcels[0], str(error))
            except PeerError as error:
                if self._closing.is_set() or self._closing.wait(self._fail(error, parcels)):
                    return False
                continue
            return True

    def _send(self, parcels: Sequence[Parcel]) -> None:
        """Send once.

        Raises:
            PeerError: that failed, whatever it was.
            RefusedError: the peer refuses one of them for good.
        """
        try:
            self._peer = self._peer or self._connect()
            self._peer.send(parcels)
        except (PeerError, RefusedError):
            raise
        except Exception as error:  # the top of the thread: else one surprise would end all sending
            raise PeerError(f"{type(error).__name__}: {error}") from error
        self._recover()
        with self._changed:
            for parcel in parcels:
                self.sent[parcel.source] += 1
                self._waiting.settle()

    def _refuse(self, parcel: Parcel, reason: str) -> None:
        structlog.get_logger().error("refused", sink=self.name, source=parcel.source, id=parcel.id, error=reason)
        self._recover()
        self._bury(self.name, parcel, reason)
        with self._changed:
            self.refused[parcel.source] += 1
            self._waiting.settle()

    def _fail(self, error: PeerError, parcels: Sequence[Parcel]) -> float:
        """Hang up, say so now and then, and return how long to wait, seconds."""
        self._hang_up()
        pause_s, now_s = self._pauses.next_s(error.retry_after_s), time.monotonic()
        self._failing_since_s = self._failing_since_s or now_s
        if now_s - self._told_s > _TOLD_EVERY_S:
            self._told_s = now_s
            wait = "recordings wait" if self._settings.delivery == "required" else "the oldest are left out"
            structlog.get_logger().warning(
                f"not sent, tried again; {wait}", sink=self.name, id=ids(parcels), error=str(error)
            )
        return pause_s

    def _recover(self) -> None:
        if self._failing_since_s is not None:
            failing_s = round(time.monotonic() - self._failing_since_s, 1)
            structlog.get_logger().info("sent again", sink=self.name, after_s=failing_s)
        self._failing_since_s, self._told_s = None, 0.0
        self._pauses.reset()

    def _hang_up(self) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            with suppress(SinkError, OSError):
                peer.close()
