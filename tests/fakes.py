"""Stand-ins for what a test would rather not start."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Final

from pipeline import keys
from pipeline.broker import CHOSEN_BY_THE_BROKER, Bound, Delivery, Entry
from tests.fake_streams import EntryId, GroupState, Pending, Stream, Value, as_bytes, id_text, parse_id

_POLL_S: Final = 0.02


class MemoryBroker:
    """The broker of one process, in its memory; several threads and several consumers may share it.

    Claims and leases go by `clock`; a read that finds nothing blocks in real time.
    """

    def __init__(self, *, claim_after_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.streams: dict[str, Stream] = {}
        self.hashes: dict[str, dict[str, bytes]] = {}
        self.sets: dict[str, set[str]] = {}
        self.leases: dict[str, tuple[str, float]] = {}
        self.waiting: dict[str, float] = {}
        self.bound_s: dict[str, float] = {}
        self._turns = count(1.0)
        self.claim_after_s = claim_after_s
        self.clock = clock
        self.changed = threading.Condition()

    @contextmanager
    def transaction(self) -> Iterator["MemoryTransaction"]:
        transaction = MemoryTransaction(self)
        yield transaction
        with self.changed:
            for command in transaction.commands:
                command()
            self.changed.notify_all()

    def group(self, streams: Sequence[str], group: str, consumer: str) -> "MemoryGroup":
        with self.changed:
            return MemoryGroup(self, streams, group, consumer)

    def read(self, after: Mapping[str, str], count: int, block_s: float) -> list[Delivery]:
        return self.wait_for(lambda: self._behind(after, count), block_s)

    def trim_acknowledged(self, stream: str) -> None:
        with self.changed:
            groups = self.stream(stream).groups.values()
            lowest = [min(group.pending, default=(group.last[0], group.last[1] + 1)) for group in groups]
            if lowest:
                self.stream(stream).trim(min(lowest))

    def trim_before(self, stream: str, entry_id: str) -> None:
        with self.changed:
            self.stream(stream).trim(parse_id(entry_id))

    def get_fields(self, key: str) -> dict[str, bytes]:
        with self.changed:
            return dict(self.hashes.get(key, {}))

    def increment(self, key: str, field: str, least: int = 1) -> int:
        with self.changed:
            fields = self.hashes.setdefault(key, {})
            number = max(int(fields.get(field, b"0")) + 1, least)
            fields[field] = b"%d" % number
            return number

    def members(self, key: str) -> set[str]:
        with self.changed:
            return set(self.sets.get(key, ()))

    def lease(self, key: str, owner: str, ttl_s: float) -> bool:
        with self.changed:
            if self._other_owns(key, owner):
                return False
            self.leases[key] = owner, self.clock() + ttl_s
            return True

    def release(self, key: str, owner: str) -> None:
        with self.changed:
            if key in self.leases and not self._other_owns(key, owner):
                del self.leases[key]

    def offer(self, key: str, epoch: int, seq: int, meta: bytes, item: bytes) -> bool:
        with self.changed:
            fields = self.hashes.setdefault(key, {})
            if int(fields.get("epoch", b"0")) > epoch:
                return False
            fields.update(epoch=b"%d" % epoch, newest=b"%d" % seq, meta=meta)
            if key not in self.waiting:
                self.waiting[key] = self.bound_s.get(key, 0.0)
                self.stream(keys.LIVE).add(self.next_id(keys.LIVE), item, {})
                self.changed.notify_all()
            return True

    def bind(self, most: int) -> list[Bound]:
        with self.changed:
            taken = sorted(self.waiting, key=lambda key: (self.waiting[key], key))[:most]
            return [bound for key in taken if (bound := self._bind(key)) is not None]

    def _bind(self, key: str) -> Bound | None:
        del self.waiting[key]
        fields = self.hashes.get(key, {})
        if "newest" not in fields:
            return None
        previous = int(fields.get("bound", b"-1"))
        fields["bound"], self.bound_s[key] = fields["newest"], next(self._turns)
        return Bound(fields["meta"], previous)

    def pass_over(self, key: str, epoch: int, seq: int) -> int | None:
        with self.changed:
            fields = self.hashes.setdefault(key, {})
            if int(fields.get("epoch", b"0")) > epoch or key in self.waiting:
                return None
            previous = int(fields.get("bound", b"-1"))
            fields.update(epoch=b"%d" % epoch, bound=b"%d" % seq)
            return previous

    def withdraw(self, key: str, epoch: int) -> None:
        with self.changed:
            fields = self.hashes.setdefault(key, {})
            if int(fields.get("epoch", b"0")) <= epoch:
                fields["epoch"] = b"%d" % epoch
                self.waiting.pop(key, None)

    def entries(self, stream: str, after: str, count: int) -> list[Entry]:
        with self.changed:
            kept = self.stream(stream)
            found = kept.behind(parse_id(after), count)
            return [Entry(id_text(entry), kept.all_fields(entry)) for entry in found]

    def remove(self, stream: str, ids: Sequence[str]) -> int:
        with self.changed:
            return sum(self.stream(stream).entries.pop(parse_id(entry), None) is not None for entry in ids)

    def delete(self, gone: Sequence[str]) -> None:
        with self.changed:
            for key in gone:
                self.streams.pop(key, None)
                self.hashes.pop(key, None)
                self.sets.pop(key, None)
                self.leases.pop(key, None)

    def close(self) -> None:
        """Keep everything: another consumer may go on."""

    def stream(self, name: str) -> Stream:
        return self.streams.setdefault(name, Stream())

    def bodies(self, stream: str) -> list[bytes]:
        """Return the bodies in a stream, for a test to look at."""
        with self.changed:
            return list(self.stream(stream).entries.values())

    def wait_for(self, look: Callable[[], list[Delivery]], block_s: float) -> list[Delivery]:
        """Return what `look` finds, at once or within `block_s`; a claim may fall due without a change."""
        deadline = time.monotonic() + block_s
        with self.changed:
            while not (found := look()) and (left_s := deadline - time.monotonic()) > 0:
                self.changed.wait(min(left_s, _POLL_S))
            return found

    def next_id(self, stream: str) -> EntryId:
        milliseconds, number = self.stream(stream).last
        now = int(time.time() * 1000)
        return (now, 0) if now > milliseconds else (milliseconds, number + 1)

    def _behind(self, after: Mapping[str, str], count: int) -> list[Delivery]:
        return [
            Delivery(name, id_text(entry), self.stream(name).entries[entry])
            for name, entry_id in after.items()
            for entry in self.stream(name).behind(parse_id(entry_id), count)
        ]

    def _other_owns(self, key: str, owner: str) -> bool:
        found, until_s = self.leases.get(key, (owner, 0.0))
        return found != owner and self.clock() < until_s


class MemoryTransaction:
    """Commands that wait for the end of the block."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self.commands: list[Callable[[], object]] = []

    def append(self, stream: str, body: bytes, retain: int | None = None) -> None:
        broker = self._broker
        self.commands.append(lambda: broker.stream(stream).add(broker.next_id(stream), body, {}))
        if retain is not None:
            self.commands.append(lambda: broker.stream(stream).keep(retain))

    def publish(
        self, stream: str, entry_id: str, body: bytes, fields: Mapping[str, str | int], retain: int | None = None
    ) -> None:
        broker = self._broker
        chosen = entry_id == CHOSEN_BY_THE_BROKER
        self.commands.append(
            lambda: broker.stream(stream).add(broker.next_id(stream) if chosen else parse_id(entry_id), body, fields)
        )
        if retain is not None:
            self.commands.append(lambda: broker.stream(stream).keep(retain))

    def publish_in_both(
        self,
        stream: str,
        common: str,
        entry_id: str,
        body: bytes,
        fields: Mapping[str, str | int],
        retain: tuple[int, int],
    ) -> None:
        def add() -> None:
            if self._broker.stream(stream).add(parse_id(entry_id), body, fields):
                self._broker.stream(common).add(self._broker.next_id(common), body, fields)
            for name, most in zip((stream, common), retain, strict=True):
                self._broker.stream(name).keep(most)

        self.commands.append(add)

    def trim_before(self, stream: str, entry_id: str) -> None:
        self.commands.append(lambda: self._broker.stream(stream).trim(parse_id(entry_id)))

    def ack(self, stream: str, group: str, ids: Sequence[str]) -> None:
        dealt_with = list(ids)
        self.commands.append(lambda: self._ack(stream, group, dealt_with))

    def set_fields(self, key: str, fields: Mapping[str, Value]) -> None:
        values = {name: as_bytes(value) for name, value in fields.items()}
        self.commands.append(lambda: self._broker.hashes.setdefault(key, {}).update(values))

    def remove_fields(self, key: str, fields: Sequence[str]) -> None:
        gone = set(fields)
        self.commands.append(lambda: self._keep(key, gone))

    def add(self, key: str, field: str, number: int) -> None:
        self.commands.append(lambda: self._add(key, field, number))

    def add_member(self, key: str, member: str) -> None:
        self.commands.append(lambda: self._broker.sets.setdefault(key, set()).add(member))

    def remove_member(self, key: str, member: str) -> None:
        self.commands.append(lambda: self._broker.sets.get(key, set()).discard(member))

    def _add(self, key: str, field: str, number: int) -> None:
        fields = self._broker.hashes.setdefault(key, {})
        fields[field] = b"%d" % (int(fields.get(field, b"0")) + number)

    def _keep(self, key: str, gone: set[str]) -> None:
        found = self._broker.hashes.get(key, {})
        self._broker.hashes[key] = {name: value for name, value in found.items() if name not in gone}

    def _ack(self, stream: str, group: str, ids: Sequence[str]) -> None:
        state = self._broker.stream(stream).groups.get(group, GroupState())
        for entry_id in ids:
            state.pending.pop(parse_id(entry_id), None)


class MemoryGroup:
    """A consumer's place in a group."""

    def __init__(self, broker: MemoryBroker, streams: Sequence[str], group: str, consumer: str) -> None:
        self._broker = broker
        self._streams, self._group, self._consumer = streams, group, consumer
        self._own_left = [
            (stream, entry)
            for stream in streams
            for entry, pending in sorted(self._state(stream).pending.items())
            if pending.consumer == consumer
        ]
        self._in_hand: set[tuple[str, EntryId]] = set()

    def read(self, count: int, block_s: float, streams: Sequence[str] | None = None) -> list[Delivery]:
        wanted = streams or self._streams
        return self._broker.wait_for(lambda: self._own() or self._claimed() or self._new(wanted, count), block_s)

    def _state(self, stream: str) -> GroupState:
        return self._broker.stream(stream).groups.setdefault(self._group, GroupState())

    def _own(self) -> list[Delivery]:
        while self._own_left:
            stream, entry = self._own_left.pop(0)
            if found := self._again(stream, entry, self._state(stream).pending.get(entry)):
                return found
        return []

    def _claimed(self) -> list[Delivery]:
        now = self._broker.clock()
        for stream in self._streams:
            for entry, pending in sorted(self._state(stream).pending.items()):
                ours = pending.consumer == self._consumer and (stream, entry) in self._in_hand
                due = not ours and now - pending.since_s >= self._broker.claim_after_s
                if due and (found := self._again(stream, entry, pending)):
                    return found
        return []

    def _again(self, stream: str, entry: EntryId, pending: Pending | None) -> list[Delivery]:
        state = self._state(stream)
        if pending is None or entry not in self._broker.stream(stream).entries:
            state.pending.pop(entry, None)  # acknowledged or removed meanwhile
            return []
        state.pending[entry] = Pending(self._consumer, self._broker.clock(), pending.deliveries + 1)
        return [self._delivery(stream, entry, pending.deliveries + 1)]

    def _new(self, streams: Sequence[str], count: int) -> list[Delivery]:
        return [delivery for stream in streams for delivery in self._new_of(stream, count)]

    def _new_of(self, stream: str, count: int) -> list[Delivery]:
        state = self._state(stream)
        found = self._broker.stream(stream).behind(state.last, count)
        for entry in found:
            state.last = entry
            state.pending[entry] = Pending(self._consumer, self._broker.clock())
        return [self._delivery(stream, entry, 1) for entry in found]

    def _delivery(self, stream: str, entry: EntryId, deliveries: int) -> Delivery:
        self._in_hand.add((stream, entry))
        return Delivery(stream, id_text(entry), self._broker.stream(stream).entries[entry], deliveries)
