"""How to subscribe, checked before anything is asked of Redis."""

import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypedDict

from pipeline.client.desk import Desk
from pipeline.client.feed import Feed
from pipeline.client.places import Start, Until, place_in, until_ms
from pipeline.client.sharing import Sharing
from pipeline.client.wanted import Wanted, checked_sources
from pipeline.errors import ConfigError
from pipeline.settings import KernelSettings, load

CONNECT_TIMEOUT_S: Final = 8.0
_CLAIM_AFTER_S: Final = 60.0


class Options(TypedDict, total=False):
    """What may be said beside the sources."""

    start: Start
    """`latest` (unless given), `earliest`, a datetime, a negative timedelta, an entry's ID, or a `position`."""
    until: Until
    """When to stop: a datetime, a timedelta from now, or `end`: when all sources have ended."""
    group: str
    """Shares the work with whoever else is in the group, which goes on where it was; each frame is acknowledged."""
    consumer: str
    """This one in the group: under its old name it gets first what it had in hand. Host and process if not given."""
    claim_after_s: float
    """What another consumer has held for longer is taken over; 60 unless given."""
    trimmed: Literal["tell", "raise"]
    """What was removed before it was read: a `Gap` (with `messages=True`), or an error, after which one goes on."""
    connect_timeout_s: float
    """How long a server is waited for at first; 8 unless given. One that goes away later is waited for for ever."""


def desk_for(sources: str | Sequence[str] | None, messages: bool, events: bool, options: Options) -> Desk[Any]:
    """Return where items will wait for the subscriber.

    Raises:
        ConfigError: an option is not what it may be.
    """
    start, until, group = options.get("start", "latest"), options.get("until"), options.get("group")
    wanted = Wanted(checked_sources(sources), start, until, "events" if events else "detections")
    _check(wanted, options)
    if group is None:
        return Desk(Feed(wanted), everything=messages, trimmed=options.get("trimmed", "tell"), shares=False)
    consumer = options.get("consumer") or f"{socket.gethostname()}-{os.getpid()}"
    sharing = Sharing(wanted, group, consumer, options.get("claim_after_s", _CLAIM_AFTER_S))
    return Desk(sharing, everything=messages, trimmed=options.get("trimmed", "tell"), shares=True)


def url_for(url: str | None) -> str:
    """Return the URL, or that of the settings in the environment.

    Raises:
        ConfigError: none is known.
    """
    found = url or load(KernelSettings, None).redis.url
    if found is None:
        raise ConfigError("no Redis: give its URL, or set DETSTREAM_REDIS__URL")
    return found


def _check(wanted: Wanted, options: Options) -> None:
    if unknown := set(options) - set(Options.__annotations__):
        raise TypeError(f"subscribe() has no option {', '.join(sorted(unknown))}")
    if options.get("trimmed", "tell") not in ("tell", "raise"):
        raise ConfigError(f'trimmed={options["trimmed"]!r}: give "tell" or "raise"')
    if options.get("consumer") and not options.get("group"):
        raise ConfigError("consumer: only in a group; give group=… too")
    now = datetime.now(UTC)
    place_in("", wanted.start, now)
    until_ms(wanted.until, now)
    if wanted.until == "end" and wanted.kind == "events":
        raise ConfigError('until="end": streams of events have no end; give a time')
