"""When the frames of a recording are shown, as far as a frame can be found by that."""

from collections.abc import Iterable
from typing import Final

_KEPT: Final = 4096


class Times:
    """The times of the last frames, as long as times only grow: else one may be that of an earlier frame, too."""

    def __init__(self, noted: Iterable[tuple[int, float]] = ()) -> None:
        """`noted`: number and time (seconds) of each frame from the first one on."""
        self._times: dict[int, float] = {}
        self._newest, self._newest_s, self._grow = -1, float("-inf"), True
        for seq, pts_s in noted:
            self.note(seq, pts_s)

    def note(self, seq: int, pts_s: float) -> None:
        """Note the next frame's time; that of one that was noted before stays."""
        if seq <= self._newest:
            return
        self._grow = self._grow and seq == self._newest + 1 and pts_s > self._newest_s
        self._newest, self._newest_s = seq, pts_s
        self._times[seq] = pts_s
        self._times.pop(seq - _KEPT, None)

    def of(self, seq: int) -> float | None:
        """Return a frame's time in seconds; None if a frame can't be found by it, or if it is long ago."""
        return self._times.get(seq) if self._grow else None
