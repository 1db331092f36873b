"""A sink whose output is a list that survives its death, as far as it was flushed."""

from collections import deque
from dataclasses import dataclass, field

from pipeline.frame import Planar
from pipeline.messages import Detections
from stages.annotator.sink import Counts


@dataclass(frozen=True)
class Written:
    seq: int
    colour: int | None
    """Of the picture that came with it."""
    error: str | None


@dataclass
class Disk:
    """What is left when a process has died."""

    written: list[Written] = field(default_factory=list)
    end: tuple[int, str | None] | None = None

    @property
    def seqs(self) -> list[int]:
        return [entry.seq for entry in self.written]


class DiskSink:
    """Holds back the last `lag` frames until its end, as an encoder does."""

    kind = "disk"

    def __init__(self, disk: Disk, *, needs_pixels: bool = True, lag: int = 0) -> None:
        self.needs_pixels = needs_pixels
        self.closed = 0
        self._disk, self._lag = disk, lag
        self._held: deque[Written] = deque()

    @property
    def done(self) -> int:
        return self._held[-1].seq if self._held else self.durable

    @property
    def durable(self) -> int:
        return self._disk.written[-1].seq if self._disk.written else -1

    def counts(self) -> Counts:
        entries = [*self._disk.written, *self._held]
        return Counts(len(entries), sum(entry.error is not None for entry in entries))

    def write(self, found: Detections, image: Planar | None) -> None:
        if found.frame.seq <= self.done:
            return
        assert found.frame.seq == self.done + 1, "out of order"
        self._held.append(Written(found.frame.seq, None if image is None else int(image.data.max()), found.error))

    def flush(self) -> None:
        self._keep(self._lag)

    def finish(self, frames: int, error: str | None) -> None:
        self._keep(0)
        self._disk.end = (frames, error)

    def close(self) -> None:
        self._keep(0)
        self.closed += 1

    def _keep(self, held: int) -> None:
        while len(self._held) > held:
            self._disk.written.append(self._held.popleft())
