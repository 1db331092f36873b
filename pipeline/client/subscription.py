"""Subscribing from plain Python: what `from detstream import subscribe` gives."""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, Unpack, overload

from pipeline.client.desk import Desk
from pipeline.client.items import FrameDetections, Item
from pipeline.client.options import CONNECT_TIMEOUT_S, Options, desk_for, url_for
from pipeline.client.wanted import Steps
from pipeline.messages import Event
from pipeline.redis_asking import RedisAsker

T = TypeVar("T", bound=Item)


class Subscription(Generic[T]):
    """An endless iterator over what sources give; a context manager that closes its connection.

    A server that goes away is waited for, and reading goes on behind the last entry that was read.
    """

    def __init__(self, desk: Desk[T], asker: RedisAsker) -> None:
        self._desk, self._asker = desk, asker
        try:
            self._run(desk.open())
        except BaseException:
            asker.close()
            raise

    @property
    def position(self) -> dict[str, str]:
        """The last entry of each source that was given: a `start` for the next subscription."""
        return dict(self._desk.position)

    def ack(self, *items: object) -> None:
        """Say that frames or events of a group are dealt with, one or a list of them; all that were given if none are.

        Raises:
            ConfigError: there is no group.
        """
        self._run(self._desk.ack(flat(items)))

    def close(self) -> None:
        """Close the connection. What a group has not acknowledged is given again."""
        self._asker.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        """Return the next item, as soon as there is one.

        Raises:
            StopIteration: what was asked for is over (`until`).
            TrimmedError: with `trimmed="raise"`: some were removed before they were read; the next call goes on.
            BrokerError: the subscription is closed.
        """
        while True:
            while not self._desk.empty:
                if (item := self._desk.pop()) is not None:
                    return item
            if self._desk.finished:
                self.close()
                raise StopIteration
            self._run(self._desk.fill())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, steps: Steps[None]) -> None:
        answers: Any = None
        while True:
            try:
                ask = steps.send(answers)
            except StopIteration:
                return
            answers = self._asker.ask(ask)


def flat(items: Iterable[object]) -> list[object]:
    """Return items, those of lists one by one."""
    return [one for item in items for one in (item if isinstance(item, list | tuple) else [item])]


@overload
def subscribe(
    url: str | None = None,
    sources: str | Sequence[str] | None = None,
    *,
    messages: Literal[False] = False,
    events: Literal[False] = False,
    **options: Unpack[Options],
) -> Subscription[FrameDetections]: ...
@overload
def subscribe(
    url: str | None = None,
    sources: str | Sequence[str] | None = None,
    *,
    messages: Literal[False] = False,
    events: Literal[True],
    **options: Unpack[Options],
) -> Subscription[Event]: ...
@overload
def subscribe(
    url: str | None = None,
    sources: str | Sequence[str] | None = None,
    *,
    messages: bool = False,
    events: bool = False,
    **options: Unpack[Options],
) -> Subscription[Any]: ...
def subscribe(
    url: str | None = None,
    sources: str | Sequence[str] | None = None,
    *,
    messages: bool = False,
    events: bool = False,
    **options: Unpack[Options],
) -> Subscription[Any]:
    """Return an iterator over the frames of sources as they are published, in order, each once.

    Args:
        url: of Redis; DETSTREAM_REDIS__URL if not given.
        sources: names, or patterns such as `gate*` that new sources join by themselves; all if not given.
        messages: give all that happens as an object of its own: `FrameFailed`, `FrameSkipped`, `Gap`, `SourceState`,
            `SourceEnd` too. Otherwise only frames that were looked at; `missed_before` says how many others there were.
        events: give `Event`s instead of frames.
        options: `start`, `until`, `group`, `consumer`, `claim_after_s`, `trimmed`, `connect_timeout_s`; see `Options`.

    Raises:
        ConfigError: an argument is not what it may be, or no Redis is known.
        BrokerUnreachableError: nobody answers at the URL.
    """
    desk = desk_for(sources, messages, events, options)
    return Subscription(desk, RedisAsker(url_for(url), options.get("connect_timeout_s", CONNECT_TIMEOUT_S)))
