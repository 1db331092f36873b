"""Where a subscriber begins and ends, as people say it and as Redis wants it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

from pipeline.client.follower import NO_SEQ
from pipeline.errors import ConfigError

Start: TypeAlias = Literal["latest", "earliest"] | str | datetime | timedelta | Mapping[str, str]
"""`latest`, `earliest`, a time, so long ago (negative), an entry's ID, or the ID of each source (a `position`)."""
Until: TypeAlias = Literal["end"] | datetime | timedelta | None
"""A time, so long ago or from now; `end`: when all sources have ended; None: for ever."""

_ID: Final = re.compile(r"\d{1,15}(-\d{1,20})?")
FIRST: Final = "0-0"


@dataclass(frozen=True, slots=True)
class Place:
    """Where to begin in one stream."""

    after: str | None
    """The ID behind which to begin; None: behind the last entry that there is now."""
    seq: int | None = None
    """The frame that the subscriber has already; None if unknown."""
    since_ms: int | None = None
    """The time from which on it wants everything, to be told what is gone of it."""


def place_in(source: str, start: Start, now: datetime) -> Place:
    """Return where to begin in the stream of a source.

    Raises:
        ConfigError: `start` is nothing of what it may be.
    """
    if isinstance(start, Mapping):
        return _behind(start[source]) if source in start else Place(FIRST)
    if isinstance(start, timedelta | datetime):
        return _since(_moment(start, now))
    if start == "latest":
        return Place(None)
    if start == "earliest":
        return Place(FIRST)
    return _behind(start)


def until_ms(until: Until, now: datetime) -> int | None:
    """Return when to stop, in milliseconds since 1970; None for `end` and for ever.

    Raises:
        ConfigError: it is nothing of what it may be.
    """
    if isinstance(until, timedelta | datetime):
        return _milliseconds(_aware(until) if isinstance(until, datetime) else now + until)
    if until not in (None, "end"):
        raise ConfigError(f'until={until!r}: give a datetime, a timedelta, "end" or None')
    return None


def _behind(entry_id: object) -> Place:
    if not isinstance(entry_id, str) or not _ID.fullmatch(entry_id):
        raise ConfigError(
            f'start={entry_id!r}: give "latest", "earliest", a datetime, a negative timedelta,'
            " or an ID such as 1700000000000-41"
        )
    seq = entry_id.partition("-")[2]
    return Place(entry_id if seq else f"{entry_id}-0", int(seq) if seq else None)


def _since(moment: datetime) -> Place:
    milliseconds = max(_milliseconds(moment), 1)
    return Place(f"{milliseconds - 1}-{NO_SEQ}", None, milliseconds)


def _moment(start: datetime | timedelta, now: datetime) -> datetime:
    if isinstance(start, datetime):
        return _aware(start)
    if start > timedelta(0):
        raise ConfigError(f"start={start!r} is in the future: give a negative timedelta")
    return now + start


def _aware(moment: datetime) -> datetime:
    return moment.astimezone(UTC)  # without a zone it is this machine's


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
