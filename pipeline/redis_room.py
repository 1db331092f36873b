"""The keys of the frames of one epoch in Redis.

A hash a source names its epochs that have frames, with the newest and the oldest seq of each: so a reader can tell a
frame that is gone from one that is to come, and the next epoch finds what a killed owner has left.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from redis import Redis

from pipeline.errors import FrameStoreError
from pipeline.keys import pixels

_MB: Final = 1 << 20


class Room:
    """The keys of one epoch: those of its frames, and its newest and oldest seq as a field of the source's hash."""

    def __init__(self, source: str, epoch: int, slots: int, slot_bytes: int) -> None:
        self.slots = slots
        self.slot_bytes = slot_bytes
        self.title = f"{source} (epoch {epoch})"
        self._source = source
        self._epoch = epoch

    def make(self, redis: Redis) -> None:
        rooms: Mapping[bytes, bytes] = cast(Any, redis.hgetall(_rooms(self._source)))
        for field, value in rooms.items():
            if int(field) <= self._epoch:
                newest, oldest = (int(number) for number in value.split(b":"))
                self._remove(redis, int(field), range(oldest, newest + 1))
        self._check_memory(redis)
        redis.hset(_rooms(self._source), str(self._epoch), "-1:0")

    def put(self, redis: Redis, seq: int, fields: Mapping[str, bytes], expired: Sequence[int], oldest: int) -> None:
        """Store a frame and remove those that have expired; `oldest` is the first of those that are left."""
        key = self._key(seq)
        with redis.pipeline(transaction=True) as commands:
            commands.unlink(key, *(self._key(old) for old in expired))
            commands.hset(key, mapping=cast(Any, fields))
            commands.hset(_rooms(self._source), str(self._epoch), f"{seq}:{oldest}")
            commands.execute()

    def remove(self, redis: Redis, stored: Sequence[int]) -> None:
        self._remove(redis, self._epoch, stored)

    def _remove(self, redis: Redis, epoch: int, stored: Sequence[int]) -> None:
        with redis.pipeline(transaction=True) as commands:
            if stored:
                commands.unlink(*(pixels(self._source, epoch, seq) for seq in stored))
            commands.hdel(_rooms(self._source), str(epoch))
            commands.execute()

    def _check_memory(self, redis: Redis) -> None:
        memory: Mapping[str, int] = cast(Any, redis.info("memory"))
        limit, needed = memory.get("maxmemory", 0), self.slots * self.slot_bytes
        free = max(limit - memory["used_memory"], 0)
        if limit and needed > free:
            raise FrameStoreError(
                f"the frames of {self.title} need {-(-needed // _MB)} MB in Redis, {free // _MB} MB are free there: "
                "set memory_mb lower, or maxmemory of Redis higher"
            )

    def _key(self, seq: int) -> str:
        return pixels(self._source, self._epoch, seq)


def read_frame(
    redis: Redis, source: str, epoch: int, seq: int, picture: str
) -> tuple[bytes | None, int, dict[int, int]]:
    """Return the picture's bytes, whether the frame exists, and the newest seq of each epoch, all of one moment."""
    key = pixels(source, epoch, seq)
    with redis.pipeline(transaction=True) as commands:
        commands.hget(key, picture)
        commands.exists(key)
        commands.hgetall(_rooms(source))
        data, exists, rooms = commands.execute()
    return data, exists, {int(number): int(value.split(b":")[0]) for number, value in rooms.items()}


def _rooms(source: str) -> str:
    return f"stored:{source}"
