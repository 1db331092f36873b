"""What leaves the tracker for one source: tracked, watched, stamped, counted, each entry under an ID that grows."""

import time
from dataclasses import replace
from typing import Final

from pipeline import keys
from pipeline.broker import Broker, Transaction
from pipeline.ledger import Ledger
from pipeline.messages import Detections, EndOfSource
from pipeline.metrics import LatencyHistogram
from pipeline.retention import Retention
from pipeline.wire import encode_public
from stages.tracker.followed import Followed
from stages.tracker.settings import TrackerSettings
from stages.tracker.telling import Telling
from stages.tracker.watching import Happened

_DEFAULT_FPS: Final = 30.0
STATE_EVERY: Final = 64
"""Frames."""
STATES_KEPT: Final = 8
_AVERAGED: Final = 64
"""Frames over which the size of bodies is averaged."""
_TRIM_EVERY: Final = 16
"""Frames."""
_COUNTED: Final = ("ok", "failed", "skipped", "objects")


class Publication:
    """Puts a source's frames into its public stream; its state is stored with what led to it, all or nothing."""

    def __init__(self, broker: Broker, source: str, settings: TrackerSettings, retain: int, *, live: bool) -> None:
        """`retain`: about how many events stay for late readers; `live`: it is a camera, which may come back."""
        self.source, self._settings, self._live = source, settings, live
        self._ledger = Ledger(broker, source)
        self._telling = Telling(source, settings.wire, retain)
        saved = broker.get_fields(keys.checkpoint(source))
        self.epoch = int(saved.get("epoch", 0))
        """The newest that anything came from."""
        self.following = int(saved.get("following", 0))
        """The frame behind the last one that is published."""
        self.ended = bool(int(saved.get("ended", 0)))
        """Whether the end has been published."""
        self._entry_ms = int(saved.get("entry_ms", 1))  # Redis refuses the ID 0-0
        self._body_bytes = 0.0
        self._counts = {name: int(saved.get(name, 0)) for name in _COUNTED}
        self._latency = LatencyHistogram(saved.get("latency", b""))
        self._followed = self._open(saved.get("tracks", b""))

    def put(
        self, transaction: Transaction, found: Detections, *, timed: bool = False, retain: Retention | None = None
    ) -> None:
        """Publish a frame.

        `timed`: frames may be missing, so tracks go by their times. `retain`: about how much is to be kept, all if not
        given.
        """
        tracked = replace(self._tracked(found, timed), published_ns=time.time_ns())
        meta = tracked.frame
        at_s = meta.pts_s if meta.timestamp_s is None else meta.timestamp_s
        self._entry_ms = max(self._entry_ms, int(at_s * 1000))  # Redis refuses IDs that go back
        self._append(transaction, tracked, meta.seq, f"{at_s:.6f}", retain)
        self._telling.tell(transaction, Happened(tracked.events, tracked.minutes), self._entry_ms, meta.seq)
        self.following = meta.seq + 1
        self._count(tracked)

    def renumber(self, following: int) -> None:
        """Go on with smaller numbers, under greater IDs."""
        self.following, self._entry_ms = following, self._entry_ms + 1

    def put_end(self, transaction: Transaction, end: EndOfSource) -> None:
        """Publish the end, behind the last frame."""
        happened = self._followed.end(end) if self._followed else Happened()
        self._append(
            transaction,
            replace(end, events=happened.events, minutes=happened.minutes),
            end.frames,
            f"{self._entry_ms / 1000:.6f}",
        )
        self._telling.tell(transaction, happened, self._entry_ms, end.frames)
        self._ledger.write_in(transaction, {"ended": end.epoch, "frames": end.frames, "decoded": end.frames})
        self.ended = True

    def save(self, transaction: Transaction) -> None:
        """Write the state together with what led to it: neither can be lost without the other."""
        state: dict[str, str | int | float | bytes] = {"epoch": self.epoch, "following": self.following}
        state |= self._counts
        state |= {"entry_ms": self._entry_ms, "latency": self._latency.to_bytes(), "ended": int(self.ended)}
        over = self.ended and not self._live
        state |= {"tracks": self._followed.to_bytes() if self._followed and not over else b""}
        transaction.set_fields(keys.checkpoint(self.source), state)
        self._ledger.write_in(transaction, {"published": self.following - 1})

    def keep_state(self, transaction: Transaction) -> None:
        """Keep the tracks as they are now, now and then, for outputs that may have to be continued from here."""
        if self._followed is None or self.following % STATE_EVERY:
            return
        key, oldest = keys.states(self.source), self.following - STATES_KEPT * STATE_EVERY
        transaction.set_fields(key, {str(self.following): self._followed.to_bytes()})
        transaction.remove_fields(key, [str(oldest)])

    def _tracked(self, found: Detections, timed: bool) -> Detections:
        if self._followed is None or found.error is not None:
            return found
        at_s = found.frame.timestamp_s if timed else None
        if found.skipped is None:
            return self._followed.update(found, at_s)
        self._followed.rest(at_s)
        return found

    def _append(
        self,
        transaction: Transaction,
        message: Detections | EndOfSource,
        seq: int,
        at_s: str,
        retain: Retention | None = None,
    ) -> None:
        count = len(message) if isinstance(message, Detections) else 0
        fields: dict[str, str | int] = {"v": 1, "source": self.source, "seq": seq, "ts": at_s, "n": count}
        body = encode_public(message, self._settings.wire)
        stream = keys.detections(self.source)
        self._body_bytes += (len(body) - self._body_bytes) / (_AVERAGED if self._body_bytes else 1)
        most = None if retain is None else retain.entries(self._body_bytes)
        transaction.publish(stream, f"{self._entry_ms}-{seq}", body, fields, most)
        if retain and seq % _TRIM_EVERY == 0 and (oldest_ms := retain.oldest_ms(self._entry_ms)) is not None:
            transaction.trim_before(stream, f"{max(oldest_ms, 0)}-0")

    def _count(self, found: Detections) -> None:
        self._counts["failed" if found.error else "skipped" if found.skipped else "ok"] += 1
        self._counts["objects"] += len(found)
        if found.frame.captured_ns:
            self._latency.add((found.published_ns - found.frame.captured_ns) / 1e9)

    def _open(self, state: bytes) -> Followed | None:
        if self._settings.tracking is None:
            return None
        fps = float(self._ledger.read().fields.get("fps", _DEFAULT_FPS)) or _DEFAULT_FPS
        return Followed(self.source, self._settings, fps, state)
