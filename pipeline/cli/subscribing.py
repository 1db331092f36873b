"""The work of `detstream subscribe`."""

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pipeline import keys
from pipeline.cli.reach import reachable
from pipeline.cli.subscribe_formats import Csv, aside, is_printed_as_rows, json_lines, words
from pipeline.cli.times import instant
from pipeline.client.choice import Choice
from pipeline.client.items import Item
from pipeline.client.places import Start, Until
from pipeline.client.subscription import subscribe
from pipeline.connect import open_broker
from pipeline.errors import ConfigError
from pipeline.messages import SourceState
from pipeline.redis_asking import PYTHON_LOG
from pipeline.settings import KernelSettings

_ID: Final = re.compile(r"\d+-\d+")
_SPEED: Final = re.compile(r"(\d+(?:\.\d+)?)x?")
_INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class Shown:
    """What to print, as it was typed."""

    sources: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    classes: str | None = None
    where: str | None = None
    events: bool = False
    form: str = "jsonl"
    speed: str | None = None


def show(wanted: Shown, redis: str | None, run: int | None) -> int:
    """Print until it is over or somebody has enough, and return the exit code.

    Raises:
        ConfigError: something that was typed is not what it may be, or no Redis is known.
        BrokerUnreachableError: nobody answers.
    """
    now = datetime.now(UTC)
    start, until = _start(wanted.since, now), _until(wanted.until, now)
    names = None if wanted.classes is None else frozenset(name.strip() for name in wanted.classes.split(","))
    choice, pace = Choice(names, wanted.where, events=wanted.events), _Pace(_speed(wanted.speed))
    print_item = _printer(wanted)
    settings = reachable(run, redis)
    _say_who_is_missing(settings, wanted.sources)
    options: dict[str, Any] = {"start": start, "until": until, "messages": True, "events": wanted.events}
    options["connect_timeout_s"] = settings.redis.connect_timeout_s
    try:
        with _told_aside(), subscribe(settings.redis.url, wanted.sources or None, **options) as items:
            for item in _chosen(items, choice):
                pace.wait(item)
                print_item(item)
    except KeyboardInterrupt:
        sys.stderr.write("detstream: stopped\n")
        return _INTERRUPTED
    except BrokenPipeError:  # whoever reads has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


@contextmanager
def _told_aside() -> Iterator[None]:
    """Let a subscription's words about its connection be lines on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("detstream: %(message)s"))
    PYTHON_LOG.addHandler(handler)
    before = PYTHON_LOG.level
    PYTHON_LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        PYTHON_LOG.removeHandler(handler)
        PYTHON_LOG.setLevel(before)


def _chosen(items: Iterator[Item], choice: Choice) -> Iterator[Item]:
    return (kept for item in items if (kept := choice.of(item)) is not None)


def _printer(wanted: Shown) -> Callable[[Item], None]:
    forms: dict[str, Callable[[Item], Iterator[str]]] = {"jsonl": json_lines, "table": words}
    lines = forms.get(wanted.form) or Csv(events=wanted.events)

    def print_item(item: Item) -> None:
        if wanted.form == "csv" and not is_printed_as_rows(item):
            sys.stderr.write(f"detstream: {aside(item)}\n")
        for line in lines(item):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    return print_item


class _Pace:
    """Lets time go by between items as it did between what they show, or so many times as fast."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._begin: tuple[float, float] | None = None

    def wait(self, item: Item) -> None:
        """Wait until it is time for an item."""
        at_s = _at_s(item)
        if self._speed is None or at_s is None:
            return
        now_s = time.monotonic()
        self._begin = self._begin or (now_s, at_s)
        due_s = self._begin[0] + (at_s - self._begin[1]) / self._speed
        time.sleep(max(due_s - now_s, 0.0))


def _at_s(item: Item) -> float | None:
    if isinstance(item, SourceState):
        return None  # of another clock than a recording's
    at = getattr(item, "timestamp", None)
    taken_s = at.timestamp() if at is not None else getattr(item, "timestamp_s", None)
    return getattr(item, "pts_s", None) if taken_s is None else taken_s


def _say_who_is_missing(settings: KernelSettings, sources: tuple[str, ...]) -> None:
    broker = open_broker(settings)
    known = broker.members(keys.SOURCES) | broker.members(keys.SETTLED)
    broker.close()
    missing = [name for name in sources if not set("*?[") & set(name) and name not in known]
    if missing:
        there = ", ".join(sorted(known)[:20]) or "none"
        sys.stderr.write(f"detstream: no source {', '.join(missing)} yet: waiting for it; there are: {there}\n")


def _start(text: str | None, now: datetime) -> Start:
    if text is None:
        return "latest"
    if text in ("earliest", "latest") or _ID.fullmatch(text):
        return text
    return instant(text, now)


def _until(text: str | None, now: datetime) -> Until:
    if text is None or text == "end":
        return "end" if text else None
    return instant(text, now)


def _speed(text: str | None) -> float | None:
    if text is None:
        return None
    found = _SPEED.fullmatch(text.strip())
    speed = float(found[1]) if found else 0.0
    if not speed:
        raise ConfigError(f"--speed {text!r}: write 1x, 2x or 0.5x")
    return speed
