"""The newest frame of each camera in Redis: told of by its decoder, taken by whoever looks at it.

One hash a camera: `epoch`; `newest` and `meta`, the frame that was told of last; `bound`, the one that was taken last;
`ticket`, the item in the queue that is good for the next one, empty if there is none.
"""

from collections.abc import Sequence
from typing import Any, Final

from redis import Redis

from pipeline.broker import Bound, Ticket

_OFFER: Final = """
local known = redis.call('HMGET', KEYS[1], 'epoch', 'ticket')
local epoch = tonumber(known[1] or '0')
if epoch > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'newest', ARGV[2], 'meta', ARGV[3])
if epoch < tonumber(ARGV[1]) or not known[2] or known[2] == '' then
    redis.call('HSET', KEYS[1], 'ticket', ARGV[2])
    redis.call('XADD', KEYS[2], '*', 'body', ARGV[4])
end
return 1
"""
_BIND: Final = """
local found = redis.call('HMGET', KEYS[1], 'epoch', 'ticket', 'newest', 'bound', 'meta')
if found[1] ~= ARGV[1] or found[2] ~= ARGV[2] then return false end
redis.call('HSET', KEYS[1], 'ticket', '', 'bound', found[3])
return {found[5], tonumber(found[4] or '-1')}
"""
_PASS_OVER: Final = """
local found = redis.call('HMGET', KEYS[1], 'epoch', 'ticket', 'bound')
local epoch = tonumber(found[1] or '0')
local waits = epoch == tonumber(ARGV[1]) and found[2] and found[2] ~= ''
if epoch > tonumber(ARGV[1]) or waits then return false end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'ticket', '', 'bound', ARGV[2])
return tonumber(found[3] or '-1')
"""
_WITHDRAW: Final = """
if tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0') > tonumber(ARGV[1]) then return end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'ticket', '')
"""


def offer(client: Redis, key: str, stream: str, epoch: int, seq: int, meta: bytes, item: bytes) -> bool:
    """Make a frame the newest, and append `item` to the queue unless one waits there; False if the epoch is over."""
    taken: Any = client.eval(_OFFER, 2, key, stream, epoch, seq, meta, item)
    return bool(taken)


def bind(client: Redis, tickets: Sequence[Ticket]) -> list[Bound | None]:
    """Take the newest frames; None for a ticket that is not its camera's last one."""
    with client.pipeline(transaction=False) as pipeline:
        for ticket in tickets:
            pipeline.eval(_BIND, 1, ticket.key, ticket.epoch, ticket.number)
        return [None if found is None else Bound(found[0], int(found[1])) for found in pipeline.execute()]


def pass_over(client: Redis, key: str, epoch: int, seq: int) -> int | None:
    """Take a frame that was not told of; None if one waits to be taken, or if the epoch is over."""
    previous: Any = client.eval(_PASS_OVER, 1, key, epoch, seq)
    return None if previous is None else int(previous)


def withdraw(client: Redis, key: str, epoch: int) -> None:
    """Let the waiting item, and all of older epochs, be good for nothing, unless there is a newer epoch."""
    client.eval(_WITHDRAW, 1, key, epoch)
