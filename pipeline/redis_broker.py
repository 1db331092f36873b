"""The broker on Redis >= 6.2 or Valkey."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from redis import Redis
from redis.exceptions import ResponseError

from pipeline import redis_live
from pipeline.broker import Bound, Delivery, Entry
from pipeline.errors import BrokerError
from pipeline.redis_connection import MAX_BLOCK_S, RedisConnection
from pipeline.redis_group import BODY, RedisGroup
from pipeline.redis_transaction import RedisTransaction

_LEASE: Final = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
_INCREMENT: Final = """
local number = math.max(tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') + 1, tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', number))
return number
"""
_SECOND_COPY: Final = "equal or smaller"


class RedisBroker:
    """The broker on Redis; see `pipeline.broker.Broker`. Threads may share it.

    A command or transaction whose answer was lost with the connection is sent again: what was appended may be there
    twice and a counter may skip a number, but what was published under an ID is there once.

    Raises:
        BrokerUnreachableError: no server answered within `connect_timeout_s`, or it refused the password.
        BrokerError: the URL is no Redis URL.
    """

    def __init__(
        self, url: str, *, connect_timeout_s: float = 8.0, claim_after_s: float = 10.0, fenced: bool = False
    ) -> None:
        """`fenced`: raise BrokerForgotError once when the server was started anew; for use by a single thread."""
        self._connection = RedisConnection(url, connect_timeout_s, fenced=fenced)
        self._claim_after_s = claim_after_s

    @contextmanager
    def transaction(self) -> Iterator[RedisTransaction]:
        """Collect commands and send them in one atomic round trip, if the block ends without an error."""
        transaction = RedisTransaction()
        yield transaction
        if transaction.commands:
            self._execute(transaction)

    def group(self, streams: Sequence[str], group: str, consumer: str) -> RedisGroup:
        """Join a consumer group of these streams, made where it is missing, from a stream's first entry on."""
        return RedisGroup(self._connection, streams, group, consumer, self._claim_after_s)

    def read(self, after: Mapping[str, str], count: int, block_s: float) -> list[Delivery]:
        """Return up to `count` entries of each stream behind the given ID, or none after `block_s`."""
        deadline = time.monotonic() + block_s
        while True:
            left_s = min(deadline - time.monotonic(), MAX_BLOCK_S)
            block_ms = max(1, int(left_s * 1000)) if left_s > 0 else None  # 0 would block for ever
            found = self._read_once(after, count, block_ms)
            if found or time.monotonic() >= deadline:
                return found

    def trim_acknowledged(self, stream: str) -> None:
        """Remove what every group of the stream has dealt with, and nothing else."""
        keep_from = self._connection.call(lambda client: _lowest_unacknowledged(client, stream))
        if keep_from is not None:
            self.trim_before(stream, keep_from)

    def trim_before(self, stream: str, entry_id: str) -> None:
        """Remove the entries before this ID."""
        self._connection.call(lambda client: client.xtrim(stream, minid=entry_id, approximate=False))

    def get_fields(self, key: str) -> dict[str, bytes]:
        """Return a hash, empty if there is none."""
        found: Any = self._connection.call(lambda client: client.hgetall(key))
        return {name.decode(): value for name, value in found.items()}

    def increment(self, key: str, field: str, least: int = 1) -> int:
        """Add one to a field of a hash, from 0, raise it to `least` if it is less, and return it."""
        found: Any = self._connection.call(lambda client: client.eval(_INCREMENT, 1, key, field, least))
        return int(found)

    def members(self, key: str) -> set[str]:
        """Return the members of a set."""
        found: Any = self._connection.call(lambda client: client.smembers(key))
        return {member.decode() for member in found}

    def lease(self, key: str, owner: str, ttl_s: float) -> bool:
        """Take or renew a lease for `ttl_s` seconds; False if another owner has it."""
        ttl_ms = max(1, int(ttl_s * 1000))
        taken: Any = self._connection.call(lambda client: client.eval(_LEASE, 1, key, owner, ttl_ms))
        return bool(taken)

    def release(self, key: str, owner: str) -> None:
        """Give a lease back if it is this owner's."""
        self._connection.call(lambda client: client.eval(_RELEASE, 1, key, owner))

    def offer(self, key: str, epoch: int, seq: int, meta: bytes, item: bytes) -> bool:
        """Make a frame the newest of a camera, and append an item unless it waits; False if its epoch is over."""
        return self._connection.call(lambda client: redis_live.offer(client, key, epoch, seq, meta, item))

    def bind(self, most: int) -> list[Bound]:
        """Take the newest frames of up to `most` cameras, of those that have waited longest."""
        return self._connection.call(lambda client: redis_live.bind(client, most))

    def pass_over(self, key: str, epoch: int, seq: int) -> int | None:
        """Take a frame of a camera that nobody has to look at; None if another waits, or the epoch is over."""
        return self._connection.call(lambda client: redis_live.pass_over(client, key, epoch, seq))

    def withdraw(self, key: str, epoch: int) -> None:
        """Let a camera's waiting item, and older epochs, be good for nothing, unless the camera has a newer epoch."""
        self._connection.call(lambda client: redis_live.withdraw(client, key, epoch))

    def entries(self, stream: str, after: str, count: int) -> list[Entry]:
        """Return up to `count` entries of a stream behind an ID, with all their fields."""
        found: Any = self._connection.call(lambda client: client.xrange(stream, f"({after}", count=count))
        return [Entry(entry_id.decode(), {k.decode(): v for k, v in fields.items()}) for entry_id, fields in found]

    def remove(self, stream: str, ids: Sequence[str]) -> int:
        """Remove entries, and return how many there were."""
        found: Any = self._connection.call(lambda client: client.xdel(stream, *ids)) if ids else 0
        return int(found)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys of any kind."""
        if keys:
            self._connection.call(lambda client: client.delete(*keys))

    def close(self) -> None:
        """Close the connection; whoever waits in another thread gets a BrokerError."""
        self._connection.close()

    def _execute(self, transaction: RedisTransaction) -> None:
        def send(client: Redis) -> list[Any]:
            with client.pipeline(transaction=True) as pipeline:
                for command in transaction.commands:
                    pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
                return pipeline.execute(raise_on_error=False)

        for number, answer in enumerate(self._connection.call(send)):
            second_copy = number in transaction.published and _SECOND_COPY in str(answer)
            if isinstance(answer, Exception) and not second_copy:
                name, key = transaction.commands[number][:2]
                raise BrokerError(f"the broker refused {name!s} {key!s}: {answer}") from answer

    def _read_once(self, after: Mapping[str, str], count: int, block_ms: int | None) -> list[Delivery]:
        streams: dict[Any, Any] = dict(after)
        reply: Any = self._connection.call(lambda client: client.xread(streams, count=count, block=block_ms))
        return [
            Delivery(stream.decode(), entry_id.decode(), fields.get(BODY, b""))
            for stream, entries in reply
            for entry_id, fields in entries
        ]


def _lowest_unacknowledged(client: Redis, stream: str) -> str | None:
    """Return the first ID that a group of the stream still needs, None if no group is there to say.

    A group may read and acknowledge while we look: that only moves its lowest ID up.
    """
    try:
        groups: Any = client.xinfo_groups(stream)
    except ResponseError as error:
        if "no such key" in str(error):
            return None
        raise
    needed = [_lowest_of(client, stream, group) for group in groups]
    return "{}-{}".format(*min(needed)) if needed else None


def _lowest_of(client: Redis, stream: str, group: Any) -> tuple[int, int]:
    pending: Any = client.xpending(stream, group["name"])
    lowest: bytes | None = pending["min"]
    if lowest is not None:
        milliseconds, number = lowest.split(b"-")
        return int(milliseconds), int(number)
    milliseconds, number = group["last-delivered-id"].split(b"-")
    return int(milliseconds), int(number) + 1
