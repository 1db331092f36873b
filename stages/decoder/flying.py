"""How many packets without a time are in the decoder, and the places of those that don't come out."""

from collections import deque


class Flying:
    """Counts packets in and frames out."""

    def __init__(self, threads: int) -> None:
        """Each of the decoder's `threads` keeps a frame back."""
        self._threads = threads
        self._inside, self._came, self._seen = 0, 0, False
        self._lost: deque[tuple[int, str]] = deque()
        """How many frames come before it, and why there is none."""

    def sent(self) -> None:
        """Note a packet that goes into the decoder."""
        self._inside += 1

    def failed(self, error: str, timed: int) -> None:
        """Note that the packet that was sent last comes to nothing; `timed` packets with a time are in the decoder."""
        self._inside = max(self._inside - 1, 0)
        self._lost.append((self._came + self._inside + timed, error))

    def came(self, *, timed: bool) -> list[str]:
        """Note a frame; return why there is none at the places before it."""
        before = []
        while self._lost and self._lost[0][0] <= self._came:
            before.append(self._lost.popleft()[1])
        self._came += 1
        if not timed:
            self._inside = max(self._inside - 1, 0)
        return before

    def look(self, depth: int | None, error: str) -> None:
        """Note that the decoder keeps back no more than `depth` frames, or none any more: what else went in is lost."""
        most = 0 if depth is None else depth + self._threads
        if not self._seen:
            # What the decoder left out before its first frame is not to be shown.
            self._inside, self._seen = min(self._inside, most) if self._came else self._inside, self._came > 0
            return
        while self._inside > most:
            self._inside -= 1
            self._lost.append((self._came, error))

    def rest(self) -> list[str]:
        """Return why there is none at the places behind the last frame."""
        behind = [error for _, error in self._lost]
        self._lost.clear()
        return behind
