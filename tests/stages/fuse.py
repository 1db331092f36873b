"""A broker as a process sees it that is killed at one of its calls, before the call or just after it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from pipeline.broker import Broker, Group, Transaction
from tests.fakes import MemoryBroker
from tests.stages.instant_engine import Killed

NEVER: Final = 1 << 60


class Fuse:
    """Counts calls; from the last one on, every call is the death of the process that makes it."""

    def __init__(self, calls: int = NEVER, *, after: bool = False) -> None:
        self._left, self._after = calls, after

    @contextmanager
    def burning(self) -> Iterator[None]:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and not self._after):
            raise Killed
        yield
        if self._left == 0:
            raise Killed


class _Fused:
    def __init__(self, inner: object, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._inner, name)

        def call(*args: Any, **named: Any) -> Any:
            with self._fuse.burning():
                return method(*args, **named)

        return call


class _FusedBroker(_Fused):
    _inner: MemoryBroker

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Burn when the commands are sent, not when they are collected."""
        collected = self._inner.transaction()
        transaction = collected.__enter__()
        yield transaction
        with self._fuse.burning():
            collected.__exit__(None, None, None)

    def group(self, streams: Sequence[str], group: str, consumer: str) -> Group:
        with self._fuse.burning():
            return cast(Group, _Fused(self._inner.group(streams, group, consumer), self._fuse))


def fused(broker: MemoryBroker, fuse: Fuse) -> Broker:
    return cast(Broker, _FusedBroker(broker, fuse))
