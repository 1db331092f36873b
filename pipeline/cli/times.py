"""Times as people write them."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

from pipeline.errors import ConfigError

_DURATION: Final = re.compile(r"(?:(\d+(?:\.\d+)?)(s|m|h|d)?)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CLOCK: Final = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")
_TIME_OF_DAY: Final = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d+)?)?")


def seconds(text: str) -> float:
    """Return a duration such as 90, 90s, 10m, 1.5h or 2d in seconds.

    Raises:
        ConfigError: it is none.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise ConfigError(f"{text!r} is no duration: write 90s, 10m, 1.5h or 2d")
    return float(found[1]) * _SECONDS[found[2] or "s"]


def moment(text: str) -> float:
    """Return a place in a recording, such as 01:30:00, 2:05.5 or 90s, in seconds from its beginning.

    Raises:
        ConfigError: it is none.
    """
    if found := _CLOCK.fullmatch(text.strip()):
        hours, minutes, rest = found.groups()
        if float(rest) < 60 and (hours is None or int(minutes) < 60):
            return int(hours or 0) * 3600 + int(minutes) * 60 + float(rest)
    elif (found := _DURATION.fullmatch(text.strip())) is not None:
        return float(found[1]) * _SECONDS[found[2] or "s"]
    raise ConfigError(f"{text!r} is no time in a recording: write 00:10:00, 2:05.5 or 90s")


def instant(text: str, now: datetime) -> datetime:
    """Return a time as people say it: -5m (so long ago), now, 07:30 (today), 2026-11-25T07:30, with Z or +02:00.

    Raises:
        ConfigError: it is none.
    """
    given = text.strip()
    if given == "now":
        return now
    if (found := _DURATION.fullmatch(given.removeprefix("-"))) is not None:
        return now - timedelta(seconds=float(found[1]) * _SECONDS[found[2] or "s"])
    today = now.astimezone().date()
    try:
        if _TIME_OF_DAY.fullmatch(given):
            return datetime.combine(today, time.fromisoformat(given)).astimezone(UTC)
        return datetime.fromisoformat(given).astimezone(UTC)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no time: write -5m, 07:30, 2026-11-25T07:30 or now") from error
