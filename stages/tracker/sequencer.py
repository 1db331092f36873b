"""Order out of disorder: one source's frames by number, each once."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Sequencer(Generic[T]):
    """Holds what comes too early until its turn; tells what comes a second time."""

    def __init__(self, following: int = 0) -> None:
        self.following = following
        """The number that is to come next."""
        self._early: dict[int, T] = {}

    def offer(self, number: int, item: T) -> bool:
        """Take an item, False if this number has been taken before."""
        if number < self.following or number in self._early:
            return False
        self._early[number] = item
        return True

    def ready(self) -> Iterator[T]:
        """Yield the items whose turn it is, in order."""
        while self.following in self._early:
            self.following += 1
            yield self._early.pop(self.following - 1)

    def forget(self) -> list[T]:
        """Drop what has come too early, and return it: it will come again."""
        dropped = list(self._early.values())
        self._early.clear()
        return dropped
