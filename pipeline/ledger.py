"""What the stages know together about one source: its epoch, everybody's position, the counts."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pipeline import keys
from pipeline.broker import Broker, Transaction

Value: TypeAlias = str | int | float | bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """One reading of a ledger."""

    fields: Mapping[str, bytes]

    @property
    def epoch(self) -> int:
        """The newest epoch, 0 before the first."""
        return self.number("epoch", 0)

    @property
    def live(self) -> bool:
        """Whether the source is a camera."""
        return bool(self.number("live", 0))

    @property
    def rewinds(self) -> int:
        """How often a sink asked for pixels that it had let go."""
        return self.number("rewinds", 0)

    @property
    def decoded(self) -> int:
        """Frames that the decoder has come to."""
        return self.number("decoded", 0)

    @property
    def frames(self) -> int | None:
        """Frames of the whole source, None until its end was reached."""
        return self.number("frames", -1) if "frames" in self.fields else None

    @property
    def ended_epoch(self) -> int:
        """The newest epoch whose decoder has come to an end of the source, 0 before the first."""
        return self.number("ended_epoch", 0)

    @property
    def error(self) -> str | None:
        """Why the source ended early."""
        return self.text("error") or None

    @property
    def published(self) -> int:
        """The last frame that is in the public stream, -1 at first."""
        return self.number("published", -1)

    @property
    def made(self) -> int:
        """Frames of a recording published by this run, less those that were there of an earlier one."""
        return max(self.published + 1 - self.number("resumed", 0), 0)

    def finished(self, required: Sequence[str]) -> bool:
        """Return whether all required consumers have the whole source in its final form; a camera may come back."""
        if self.live:
            over = [self.number(field, 0) for field in ("ended", *(f"finished.{name}" for name in required))]
            return self.epoch > 0 and min(over) >= self.epoch
        if not required:
            return self.frames is not None and self.published + 1 >= self.frames and "ended" in self.fields
        return all(f"finished.{consumer}" in self.fields for consumer in required)

    def done(self, required: Sequence[str]) -> int:
        """Return the last frame whose pixels no required consumer needs any more."""
        return min((self.number(f"done.{name}", -1) for name in required), default=self.published)

    def ready(self, required: Sequence[str]) -> bool:
        """Return whether all required consumers have said where they are."""
        return all(f"done.{name}" in self.fields for name in required)

    def anchor(self, required: Sequence[str]) -> tuple[int, float] | None:
        """Return number and time (seconds) of the frame up to which all required consumers are, if that is known."""
        places = [(self.number(f"done.{name}", -1), self.fields.get(f"done_pts.{name}")) for name in required]
        seq, pts_s = min(places, default=(-1, None), key=lambda place: place[0])
        return None if seq < 0 or not pts_s else (seq, float(pts_s))

    def durable(self, required: Sequence[str]) -> int:
        """Return the last frame whose output would survive the death of every required consumer."""
        return min((self.number(f"durable.{name}", -1) for name in required), default=self.published)

    def number(self, field: str, missing: int) -> int:
        """Return a field as an integer."""
        return int(self.fields.get(field, missing))

    def text(self, field: str) -> str:
        """Return a field as text, empty if missing."""
        return self.fields.get(field, b"").decode()


class Ledger:
    """The ledger of one source, kept in a hash of the broker."""

    def __init__(self, broker: Broker, source: str) -> None:
        self._broker = broker
        self.source = source
        self._key = keys.ledger(source)

    def read(self) -> Standing:
        """Return what is written now."""
        return Standing(self._broker.get_fields(self._key))

    def begin_epoch(self, *, live: bool = False, after: int = 0) -> int:
        """Return the number of a new epoch; whatever carries an older one is refused from now on.

        Numbers are counted over all sources and never used twice, so that nothing left over from an earlier run of a
        source can pass for this one's. They are not less than the milliseconds since 1970, so that they also grow over
        a broker that has lost its memory. `live`: the source is a camera. `after`: the newest that the caller knows.
        """
        number = self._broker.increment(keys.EPOCHS, "newest", max(time.time_ns() // 1_000_000, after + 1))
        started = {} if "started_ns" in self.read().fields else {"started_ns": time.time_ns()}
        with self._broker.transaction() as transaction:
            self.write_in(transaction, {"epoch": number, "live": int(live)} | started)
            transaction.add_member(keys.SOURCES, self.source)
        return number

    def announce(self, path: str, size: int) -> None:
        """Tell everybody that a recording is about to begin, so that its consumers say where they are.

        `size`: of its file, bytes; 0 if unknown.
        """
        with self._broker.transaction() as transaction:
            transaction.add_member(keys.SOURCES, self.source)
            self.write_in(transaction, {"path": path, "size": size})

    def request_rewind(self) -> None:
        """Ask the decoder to start again from the required consumers' durable positions."""
        with self._broker.transaction() as transaction:
            self.request_rewind_in(transaction)

    def request_rewind_in(self, transaction: Transaction) -> None:
        """Ask together with the transaction's other commands."""
        transaction.add(self._key, "rewinds", 1)

    def write(self, fields: Mapping[str, Value]) -> None:
        """Set fields."""
        with self._broker.transaction() as transaction:
            self.write_in(transaction, fields)

    def write_in(self, transaction: Transaction, fields: Mapping[str, Value]) -> None:
        """Set fields together with the transaction's other commands."""
        transaction.set_fields(self._key, fields)

    def all_keys(self) -> list[str]:
        """Return all keys that belong to the source, to be deleted before it is done anew."""
        named = (keys.checkpoint, keys.states, keys.detections, keys.events, keys.counts, keys.live)
        return [self._key, *(name(self.source) for name in named)]
