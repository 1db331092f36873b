"""The newest frame of each camera in Redis: told of by its decoder, taken by whoever looks at it.

One hash a camera: `epoch`; `newest` and `meta`, the frame that was told of last; `bound`, the one that was taken last,
and `bound_ms`, when. One sorted set of the cameras that have something to be taken, who waited longest first: were it
first come, first served, a detector that is a little too slow would see some cameras twice as often as others. And
one item in the queue for each of them, so that who waits at the queue is woken; any item is good for any camera.
"""

from typing import Any, Final

from redis import Redis

from pipeline import keys
from pipeline.broker import Bound

_OFFER: Final = """
if tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0') > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'newest', ARGV[2], 'meta', ARGV[3])
if not redis.call('ZSCORE', KEYS[2], KEYS[1]) then
    redis.call('ZADD', KEYS[2], redis.call('HGET', KEYS[1], 'bound_ms') or '0', KEYS[1])
    redis.call('XADD', KEYS[3], '*', 'body', ARGV[4])
end
return 1
"""
_BIND: Final = """
local now = redis.call('TIME')
local taken = redis.call('ZPOPMIN', KEYS[1], ARGV[1])
local bound = {}
for place = 1, #taken, 2 do
    local key = taken[place]
    local found = redis.call('HMGET', key, 'newest', 'bound', 'meta')
    if found[1] then
        redis.call('HSET', key, 'bound', found[1], 'bound_ms', now[1] * 1000 + math.floor(now[2] / 1000))
        bound[#bound + 1] = {found[3], tonumber(found[2] or '-1')}
    end
end
return bound
"""
_PASS_OVER: Final = """
local found = redis.call('HMGET', KEYS[1], 'epoch', 'bound')
local over = tonumber(found[1] or '0') > tonumber(ARGV[1])
if over or redis.call('ZSCORE', KEYS[2], KEYS[1]) then return false end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'bound', ARGV[2])
return tonumber(found[2] or '-1')
"""
_WITHDRAW: Final = """
if tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0') > tonumber(ARGV[1]) then return end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
redis.call('ZREM', KEYS[2], KEYS[1])
"""


def offer(client: Redis, key: str, epoch: int, seq: int, meta: bytes, item: bytes) -> bool:
    """Make a frame the newest, and append `item` to the queue unless the camera waits; False if the epoch is over."""
    taken: Any = client.eval(_OFFER, 3, key, keys.WAITING, keys.LIVE, epoch, seq, meta, item)
    return bool(taken)


def bind(client: Redis, most: int) -> list[Bound]:
    """Take the newest frame of each of up to `most` cameras, of those that have waited longest."""
    found: Any = client.eval(_BIND, 1, keys.WAITING, most)
    return [Bound(meta, int(previous)) for meta, previous in found]


def pass_over(client: Redis, key: str, epoch: int, seq: int) -> int | None:
    """Take a frame that was not told of; None if one waits to be taken, or if the epoch is over."""
    previous: Any = client.eval(_PASS_OVER, 2, key, keys.WAITING, epoch, seq)
    return None if previous is None else int(previous)


def withdraw(client: Redis, key: str, epoch: int) -> None:
    """Let no frame of this epoch or an older one be taken any more."""
    client.eval(_WITHDRAW, 2, key, keys.WAITING, epoch)
