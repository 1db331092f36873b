"""Something that is believed once it has held for long enough."""

from typing import Any


class Debounced:
    """A yes or no; another answer counts when it has held for `hold_ms` without a break."""

    def __init__(self, hold_ms: int, state: list[Any] | None = None) -> None:
        self._hold_ms = hold_ms
        self.value = bool(state[0]) if state else False
        """What is believed."""
        self._since_ms: int | None = state[1] if state else None

    def state(self) -> list[Any]:
        """Return all that is to survive."""
        return [int(self.value), self._since_ms]

    def offer(self, seen: bool, at_ms: int) -> int | None:
        """Take what is seen now; return since when it has been so if it is believed from now on, else None."""
        if seen == self.value:
            self._since_ms = None
            return None
        since_ms = at_ms if self._since_ms is None else self._since_ms
        self._since_ms = since_ms
        if at_ms - since_ms < self._hold_ms:
            return None
        self.value, self._since_ms = seen, None
        return since_ms

    def doubt(self) -> None:
        """Begin anew with what does not hold yet: nobody has looked for a while."""
        self._since_ms = None
