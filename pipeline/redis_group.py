"""A consumer's place in a consumer group of Redis streams."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from redis import Redis
from redis.exceptions import ResponseError

from pipeline.broker import Delivery
from pipeline.redis_connection import MAX_BLOCK_S, RedisConnection

_Entry: TypeAlias = tuple[bytes, dict[bytes, bytes]]

BODY: Final = b"body"
_AT_ONCE: Final = 1024
"""More entries than a consumer has in hand at a time."""
_IDLE_AT_ONCE: Final = 100


class RedisGroup:
    """Reads as one consumer: what it held when it died, then what others hold too long, then what is new."""

    def __init__(
        self, connection: RedisConnection, streams: Sequence[str], group: str, consumer: str, claim_after_s: float
    ) -> None:
        self._connection = connection
        self._streams, self._group, self._consumer = tuple(streams), group, consumer
        self._claim_after_s = claim_after_s
        self._next_claim = time.monotonic()
        # Where to go on in what we held when we died, by stream; behind its end, the stream is missing.
        self._cursors = dict.fromkeys(self._streams, "0")
        self._in_hand: deque[tuple[str, str]] = deque(maxlen=_AT_ONCE)
        connection.call(self._create)

    def read(self, count: int, block_s: float, streams: Sequence[str] | None = None) -> list[Delivery]:
        """Return up to `count` entries of each stream, or none after `block_s` seconds."""
        deadline, wanted = time.monotonic() + block_s, streams or self._streams
        while True:
            found = self._own() or self._claimed() or self._new(wanted, count, min(deadline, self._next_claim))
            self._in_hand.extend((delivery.stream, delivery.id) for delivery in found)
            if found or time.monotonic() >= deadline:
                return found

    def _own(self) -> list[Delivery]:
        while self._cursors:
            stream, cursor = next(iter(self._cursors.items()))
            entries = [entry for _, entry in self._read_group({stream: cursor}, 1, None)]
            if not entries:
                del self._cursors[stream]
            for entry_id, fields in entries:
                self._cursors[stream] = entry_id.decode()
                if fields:
                    return [_delivery(stream, entry_id, fields, self._deliveries(stream, entry_id))]
                self._drop_deleted(stream, entry_id)
        return []

    def _claimed(self) -> list[Delivery]:
        now = time.monotonic()
        if now < self._next_claim:
            return []
        for stream in self._streams:
            for entry in self._idle(stream):
                if found := self._claim(stream, entry):
                    return found
        self._next_claim = now + self._claim_after_s / 2
        return []

    def _new(self, streams: Sequence[str], count: int, until: float) -> list[Delivery]:
        block_s = min(until - time.monotonic(), MAX_BLOCK_S)
        block_ms = max(1, int(block_s * 1000)) if block_s > 0 else None  # 0 would block for ever
        new = self._read_group(dict.fromkeys(streams, ">"), count, block_ms)
        return [_delivery(stream, entry_id, fields, 1) for stream, (entry_id, fields) in new]

    def _idle(self, stream: str) -> list[Any]:
        """Return the entries that nobody has touched for the claim time, but those that we know to be in our hands.

        Ours among them are those whose delivery was lost with a connection. XAUTOCLAIM can't make the difference, and
        would count each of its rounds as one more delivery.
        """
        idle = self._call(
            lambda client: client.xpending_range(
                stream, self._group, "-", "+", _IDLE_AT_ONCE, idle=self._claim_after_ms
            )
        )
        return [entry for entry in idle if not self._holds(stream, entry)]

    def _holds(self, stream: str, entry: Any) -> bool:
        ours = entry["consumer"] == self._consumer.encode()
        return ours and (stream, entry["message_id"].decode()) in self._in_hand

    def _claim(self, stream: str, entry: Any) -> list[Delivery]:
        entry_id = entry["message_id"]
        claimed = self._call(
            lambda client: client.xclaim(stream, self._group, self._consumer, self._claim_after_ms, [entry_id])
        )
        if not claimed:  # another was faster, or it was deleted (Redis >= 7 drops it then)
            return []
        fields = claimed[0][1]
        if not fields:  # deleted (Redis 6.2)
            self._drop_deleted(stream, entry_id)
            return []
        return [_delivery(stream, entry_id, fields, entry["times_delivered"] + 1)]

    def _deliveries(self, stream: str, entry_id: bytes) -> int:
        pending = self._call(lambda client: client.xpending_range(stream, self._group, entry_id, entry_id, 1))
        return int(pending[0]["times_delivered"]) if pending else 1

    def _drop_deleted(self, stream: str, entry_id: bytes) -> None:
        self._call(lambda client: client.xack(stream, self._group, entry_id))

    def _read_group(self, after: Mapping[str, str], count: int, block_ms: int | None) -> list[tuple[str, _Entry]]:
        """Return entries with the names of their streams, which come in the order of `after`."""
        streams: dict[Any, Any] = dict(after)
        reply: Any = self._call(
            lambda client: client.xreadgroup(self._group, self._consumer, streams, count=count, block=block_ms)
        )
        return [(name.decode(), entry) for name, entries in reply or () for entry in entries]

    def _call(self, command: Callable[[Redis], Any]) -> Any:
        def attempt(client: Redis) -> Any:
            try:
                return command(client)
            except ResponseError as error:
                if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                    raise
                self._create(client)  # the broker came back empty
                return command(client)

        return self._connection.call(attempt)

    def _create(self, client: Redis) -> None:
        for stream in self._streams:
            try:
                client.xgroup_create(stream, self._group, "0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    @property
    def _claim_after_ms(self) -> int:
        return max(1, int(self._claim_after_s * 1000))


def _delivery(stream: str, entry_id: bytes, fields: dict[bytes, bytes], deliveries: int) -> Delivery:
    return Delivery(stream, entry_id.decode(), fields.get(BODY, b""), deliveries)
