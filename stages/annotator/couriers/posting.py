"""The sinks that send, as a source's writer sees them."""

import time
from dataclasses import replace
from typing import ClassVar, Final

from pipeline.frame import Planar
from pipeline.messages import Detections, EndOfSource
from stages.annotator.couriers.courier import Courier
from stages.annotator.couriers.note import Note, Progress
from stages.annotator.couriers.parcel import Wanted, parcels_of
from stages.annotator.sink import Counts

COUNTED: Final = ("sent", "missed", "refused")
_LAST_WAIT_S: Final = 10.0
"""For what may be dropped, at the end of its recording, as long as the peer takes something."""
_LAST_TRY_S: Final = 1.0
"""For a peer that takes nothing."""
_CLOSING_WAIT_S: Final = 1.0
_POLL_S: Final = 0.01


class RecordingPosting:
    """Posts each frame of a recording to one courier, from where an earlier process had come to.

    Where the delivery is required, a frame is durable once the peer has answered for all that was to be sent of it
    and for all before; the writer takes no further frames while the courier has its fill. Else it is durable at once.
    """

    needs_pixels: ClassVar = False

    def __init__(self, courier: Courier, note: Note, source: str, wanted: Wanted, run: str, *, required: bool) -> None:
        self.kind, self._courier, self._note, self._source = courier.name, courier, note, source
        self._wanted, self._run, self._required = wanted, run, required
        before = note.read()
        lost = 0 if required else before.waiting
        self._noted = self._before = replace(before, missed=before.missed + lost, waiting=0)
        self._base = (courier.sent[source], courier.missed(source), courier.refused[source])
        self._done = before.seq
        self._ended_s: float | None = None

    @property
    def done(self) -> int:
        """Last seq posted."""
        return self._done

    @property
    def durable(self) -> int:
        """Last seq of which it is noted that it need not be posted again."""
        return self._noted.seq

    @property
    def full(self) -> bool:
        """Whether nothing more may be posted now."""
        return self._required and self._courier.full

    def counts(self) -> Counts:
        """Return how many frames were posted, or were not to be."""
        return Counts(self._done + 1)

    def progress(self) -> Progress:
        """Return how far it has come."""
        courier, source, before = self._courier, self._source, self._before
        first = courier.first_kept(source) if self._required else None
        settled = self._done if first is None else max(min(first - 1, self._done), self._noted.seq)
        now = (courier.sent[source], courier.missed(source), courier.refused[source])
        sent, missed, refused = (count - base for count, base in zip(now, self._base, strict=True))
        waiting = courier.outstanding(source)
        return Progress(settled, before.sent + sent, before.missed + missed, before.refused + refused, waiting)

    def told(self) -> dict[str, str | int | float | bytes]:
        """Return what the ledger is told of it."""
        progress = self._noted
        return {f"{name}.{self.kind}": getattr(progress, name) for name in COUNTED}

    def write(self, found: Detections, image: Planar | None) -> None:
        """Post the frame and its events."""
        if found.frame.seq > self._done:
            self._courier.post(list(parcels_of(found, self._wanted, self._run)), droppable=not self._required)
            self._done = found.frame.seq

    def is_over(self, end: EndOfSource) -> bool:
        """Post what the end brought with it; return whether all is settled, or nothing more is waited for."""
        if self._ended_s is None:
            self._ended_s = time.monotonic()
            self._courier.post(list(parcels_of(end, self._wanted, self._run)), droppable=not self._required)
        if not self._courier.outstanding(self._source):
            return True
        wait_s = _LAST_TRY_S if self._courier.failing else _LAST_WAIT_S
        if self._required or time.monotonic() < self._ended_s + wait_s:
            return False
        self._courier.drop(self._source)
        return True

    def flush(self) -> None:
        """Note how far it has come."""
        progress = self.progress()
        if progress != self._noted:
            self._note.write(progress)
            self._noted = progress

    def finish(self, frames: int, error: str | None) -> None:
        """Note that all is sent; what is in the courier's hands and may be dropped counts as missed."""
        progress = self.progress()
        self._noted = replace(progress, missed=progress.missed + progress.waiting, waiting=0)
        self._note.write(self._noted)

    def close(self) -> None:
        """Wait a moment for what is on its way, and note how far it has come."""
        until_s = time.monotonic() + _CLOSING_WAIT_S
        while self._courier.outstanding(self._source) and time.monotonic() < until_s:
            time.sleep(_POLL_S)
        self.flush()


class CameraPosting:
    """Posts what a camera shows to one courier, as long as there is room; a camera waits for nobody."""

    def __init__(self, courier: Courier, source: str, wanted: Wanted, run: str) -> None:
        self.kind, self._courier, self._source = courier.name, courier, source
        self._wanted, self._run = wanted, run

    @property
    def written(self) -> int:
        """Parcels that the peer has taken."""
        return self._courier.sent[self._source]

    @property
    def missed(self) -> int:
        """Parcels that were dropped."""
        return self._courier.missed(self._source)

    def told(self) -> dict[str, int]:
        """Return what the ledger is told of it."""
        courier, source = self._courier, self._source
        counts = (courier.sent[source], courier.missed(source), courier.refused[source])
        return {f"{name}.{self.kind}": count for name, count in zip(COUNTED, counts, strict=True)}

    def write(self, segment: str, found: Detections, image: Planar | None) -> None:
        """Post the frame and its events."""
        self._courier.post(list(parcels_of(found, self._wanted, self._run)), droppable=True)

    def flush(self) -> None:
        """Do nothing: the courier goes on by itself."""

    def finish(self, frames: int, end: EndOfSource | None) -> None:
        """Post what the end brought with it; do nothing at the end of a segment."""
        if end is not None:
            self._courier.post(list(parcels_of(end, self._wanted, self._run)), droppable=True)

    def close(self) -> None:
        """Do nothing: other sources have the same courier."""
