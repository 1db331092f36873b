"""Streams and consumer groups as plain data, for the broker in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pipeline.errors import BrokerError

EntryId: TypeAlias = tuple[int, int]
Value: TypeAlias = str | int | float | bytes


@dataclass(slots=True)
class Pending:
    consumer: str
    since_s: float
    deliveries: int = 1


@dataclass(slots=True)
class GroupState:
    last: EntryId = (0, 0)
    pending: dict[EntryId, Pending] = field(default_factory=dict)


@dataclass(slots=True)
class Stream:
    entries: dict[EntryId, bytes] = field(default_factory=dict)
    fields: dict[EntryId, dict[str, str | int]] = field(default_factory=dict)
    last: EntryId = (0, 0)
    groups: dict[str, GroupState] = field(default_factory=dict)

    def add(self, entry: EntryId, body: bytes, fields: Mapping[str, str | int]) -> bool:
        if entry == (0, 0):
            raise BrokerError("the ID must be greater than 0-0")
        if entry <= self.last:
            return False
        self.entries[entry], self.fields[entry], self.last = body, dict(fields), entry
        return True

    def trim(self, before: EntryId) -> None:
        self.entries = {entry: body for entry, body in self.entries.items() if entry >= before}

    def keep(self, most: int) -> None:
        self.entries = {entry: self.entries[entry] for entry in sorted(self.entries)[-most:]}

    def all_fields(self, entry: EntryId) -> dict[str, bytes]:
        plain = {name: as_bytes(value) for name, value in self.fields[entry].items()}
        return plain | {"body": self.entries[entry]}

    def behind(self, after: EntryId, count: int) -> list[EntryId]:
        return sorted(entry for entry in self.entries if entry > after)[:count]


def parse_id(entry_id: str) -> EntryId:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


def id_text(entry: EntryId) -> str:
    return f"{entry[0]}-{entry[1]}"


def as_bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
