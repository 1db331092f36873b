"""The broker's transactions on Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from pipeline.redis_group import BODY

_Value: TypeAlias = str | int | float | bytes

_IN_BOTH: Final = """
local entry = {unpack(ARGV, 4)}
local answer = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], ARGV[3], unpack(entry))
if type(answer) == 'table' and answer.err then return answer end
return redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', unpack(entry))
"""


@dataclass(slots=True)
class RedisTransaction:
    """Commands for one MULTI … EXEC; see `pipeline.broker.Transaction`."""

    commands: list[tuple[_Value, ...]] = field(default_factory=list)
    published: set[int] = field(default_factory=set)
    """Which of them may be refused as a second copy."""

    def append(self, stream: str, body: bytes, retain: int | None = None) -> None:
        self.commands.append(("XADD", stream, *_limit(retain), "*", BODY, body))

    def publish(
        self, stream: str, entry_id: str, body: bytes, fields: Mapping[str, str | int], retain: int | None = None
    ) -> None:
        self.published.add(len(self.commands))
        self.commands.append(("XADD", stream, *_limit(retain), entry_id, *_flat(fields), BODY, body))

    def publish_in_both(
        self,
        stream: str,
        common: str,
        entry_id: str,
        body: bytes,
        fields: Mapping[str, str | int],
        retain: tuple[int, int],
    ) -> None:
        self.published.add(len(self.commands))
        entry = (*retain, entry_id, *_flat(fields), BODY, body)
        self.commands.append(("EVAL", _IN_BOTH, 2, stream, common, *entry))

    def trim_before(self, stream: str, entry_id: str) -> None:
        self.commands.append(("XTRIM", stream, "MINID", "~", entry_id))

    def ack(self, stream: str, group: str, ids: Sequence[str]) -> None:
        if ids:
            self.commands.append(("XACK", stream, group, *ids))

    def set_fields(self, key: str, fields: Mapping[str, _Value]) -> None:
        if fields:
            self.commands.append(("HSET", key, *_flat(fields)))

    def remove_fields(self, key: str, fields: Sequence[str]) -> None:
        if fields:
            self.commands.append(("HDEL", key, *fields))

    def add(self, key: str, field: str, number: int) -> None:
        self.commands.append(("HINCRBY", key, field, number))

    def add_member(self, key: str, member: str) -> None:
        self.commands.append(("SADD", key, member))

    def remove_member(self, key: str, member: str) -> None:
        self.commands.append(("SREM", key, member))


def _limit(retain: int | None) -> tuple[_Value, ...]:
    return () if retain is None else ("MAXLEN", "~", retain)


def _flat(fields: Mapping[str, Any]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]
