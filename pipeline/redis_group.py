"""A consumer's place in a consumer group of a Redis stream."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from redis import Redis
from redis.exceptions import ResponseError

from pipeline.broker import Delivery
from pipeline.redis_connection import MAX_BLOCK_S, RedisConnection

T = TypeVar("T")

BODY: Final = b"body"
_AT_ONCE: Final = 1024
"""More entries than a consumer has in hand at a time."""
_IDLE_AT_ONCE: Final = 100


class RedisGroup:
    """Reads as one consumer: what it held when it died, then what others hold too long, then what is new."""

    def __init__(
        self, connection: RedisConnection, stream: str, group: str, consumer: str, claim_after_s: float
    ) -> None:
        self._connection = connection
        self._stream, self._group, self._consumer = stream, group, consumer
        self._claim_after_s = claim_after_s
        self._next_claim = time.monotonic()
        self._cursor: str | None = "0"  # in what we held when we died; None behind its end
        self._in_hand: deque[str] = deque(maxlen=_AT_ONCE)
        connection.call(self._create)

    def read(self, count: int, block_s: float) -> list[Delivery]:
        """Return up to `count` entries, or none after `block_s` seconds."""
        deadline = time.monotonic() + block_s
        while True:
            found = self._own() or self._claimed() or self._new(count, min(deadline, self._next_claim))
            self._in_hand.extend(delivery.id for delivery in found)
            if found or time.monotonic() >= deadline:
                return found

    def _own(self) -> list[Delivery]:
        while self._cursor is not None:
            entries = self._read_group(self._cursor, 1, None)
            self._cursor = entries[0][0].decode() if entries else None
            for entry_id, fields in entries:
                if fields:
                    return [self._delivery(entry_id, fields, self._deliveries(entry_id))]
                self._drop_deleted(entry_id)
        return []

    def _claimed(self) -> list[Delivery]:
        now = time.monotonic()
        if now < self._next_claim:
            return []
        for entry in self._idle():
            if found := self._claim(entry):
                return found
        self._next_claim = now + self._claim_after_s / 2
        return []

    def _new(self, count: int, until: float) -> list[Delivery]:
        block_s = min(until - time.monotonic(), MAX_BLOCK_S)
        # 0 would block for ever.
        entries = self._read_group(">", count, max(1, int(block_s * 1000)) if block_s > 0 else None)
        return [self._delivery(entry_id, fields, 1) for entry_id, fields in entries]

    def _idle(self) -> list[Any]:
        """Return the entries that nobody has touched for the claim time, but those that we know to be in our hands.

        Ours among them are those whose delivery was lost with a connection. XAUTOCLAIM can't make the difference, and
        would count each of its rounds as one more delivery.
        """
        idle = self._call(
            lambda client: client.xpending_range(
                self._stream, self._group, "-", "+", _IDLE_AT_ONCE, idle=self._claim_after_ms
            )
        )
        ours = self._consumer.encode()
        return [
            entry for entry in idle if entry["consumer"] != ours or entry["message_id"].decode() not in self._in_hand
        ]

    def _claim(self, entry: Any) -> list[Delivery]:
        entry_id = entry["message_id"]
        claimed = self._call(
            lambda client: client.xclaim(self._stream, self._group, self._consumer, self._claim_after_ms, [entry_id])
        )
        if not claimed:  # another was faster, or it was deleted (Redis >= 7 drops it then)
            return []
        fields = claimed[0][1]
        if not fields:  # deleted (Redis 6.2)
            self._drop_deleted(entry_id)
            return []
        return [self._delivery(entry_id, fields, entry["times_delivered"] + 1)]

    def _deliveries(self, entry_id: bytes) -> int:
        pending = self._call(lambda client: client.xpending_range(self._stream, self._group, entry_id, entry_id, 1))
        return int(pending[0]["times_delivered"]) if pending else 1

    def _drop_deleted(self, entry_id: bytes) -> None:
        self._call(lambda client: client.xack(self._stream, self._group, entry_id))

    def _read_group(self, after: str, count: int, block_ms: int | None) -> Sequence[tuple[bytes, dict[bytes, bytes]]]:
        reply: Any = self._call(
            lambda client: client.xreadgroup(
                self._group, self._consumer, {self._stream: after}, count=count, block=block_ms
            )
        )
        entries: Sequence[tuple[bytes, dict[bytes, bytes]]] = reply[0][1] if reply else []
        return entries

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
        try:
            client.xgroup_create(self._stream, self._group, "0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def _delivery(self, entry_id: bytes, fields: dict[bytes, bytes], deliveries: int) -> Delivery:
        return Delivery(self._stream, entry_id.decode(), fields.get(BODY, b""), deliveries)

    @property
    def _claim_after_ms(self) -> int:
        return max(1, int(self._claim_after_s * 1000))
