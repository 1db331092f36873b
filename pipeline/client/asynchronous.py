"""Subscribing from an event loop: what `from detstream import subscribe_async` gives."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, Unpack, overload

from pipeline.client.desk import Desk
from pipeline.client.items import FrameDetections, Item
from pipeline.client.options import CONNECT_TIMEOUT_S, Options, desk_for, url_for
from pipeline.client.subscription import flat
from pipeline.client.wanted import Steps
from pipeline.messages import Event
from pipeline.redis_async import AsyncRedisAsker

T = TypeVar("T", bound=Item)


class AsyncSubscription(Generic[T]):
    """As `Subscription`, for `async for` and `async with`; it connects when it is entered or first iterated."""

    def __init__(self, desk: Desk[T], asker: AsyncRedisAsker) -> None:
        self._desk, self._asker = desk, asker
        self._opened = False

    @property
    def position(self) -> dict[str, str]:
        """The last entry of each source that was given: a `start` for the next subscription."""
        return dict(self._desk.position)

    async def ack(self, *items: object) -> None:
        """Say that frames or events of a group are dealt with, one or a list of them; all that were given if none are.

        Raises:
            ConfigError: there is no group.
        """
        await self._run(self._desk.ack(flat(items)))

    async def close(self) -> None:
        """Close the connection. What a group has not acknowledged is given again."""
        await self._asker.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Return the next item, as soon as there is one.

        Raises:
            StopAsyncIteration: what was asked for is over (`until`).
            TrimmedError: with `trimmed="raise"`: some were removed before they were read; the next call goes on.
            BrokerUnreachableError: nobody answers at the URL.
        """
        await self._open()
        while True:
            while not self._desk.empty:
                if (item := self._desk.pop()) is not None:
                    return item
            if self._desk.finished:
                await self.close()
                raise StopAsyncIteration
            await self._run(self._desk.fill())

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _open(self) -> None:
        if not self._opened:
            self._opened = True
            try:
                await self._run(self._desk.open())
            except BaseException:
                await self.close()
                raise

    async def _run(self, steps: Steps[None]) -> None:
        answers: Any = None
        while True:
            try:
                ask = steps.send(answers)
            except StopIteration:
                return
            answers = await self._asker.ask(ask)


@overload
def subscribe_async(
    url: str | None = None,
    sources: str | Sequence[str] | None = None,
    *,
    messages: Literal[False] = False,
    events: Literal[False] = False,
    **options: Unpack[Options],
) -> AsyncSubscription[FrameDetections]: ...
@overload
def subscribe_async(
    url: str | None = None,
    sources: str | Sequence[str] | None = None,
    *,
    messages: Literal[False] = False,
    events: Literal[True],
    **options: Unpack[Options],
) -> AsyncSubscription[Event]: ...
@overload
def subscribe_async(
    url: str | None = None,
    sources: str | Sequence[str] | None = None,
    *,
    messages: bool = False,
    events: bool = False,
    **options: Unpack[Options],
) -> AsyncSubscription[Any]: ...
def subscribe_async(
    url: str | None = None,
    sources: str | Sequence[str] | None = None,
    *,
    messages: bool = False,
    events: bool = False,
    **options: Unpack[Options],
) -> AsyncSubscription[Any]:
    """Return the same as `subscribe`, for `async for`.

    Raises:
        ConfigError: an argument is not what it may be, or no Redis is known.
    """
    desk = desk_for(sources, messages, events, options)
    return AsyncSubscription(desk, AsyncRedisAsker(url_for(url), options.get("connect_timeout_s", CONNECT_TIMEOUT_S)))
