"""An output of a camera, segment by segment, that may refuse; and a camera's public stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pipeline import keys
from pipeline.errors import SinkError
from pipeline.frame import Pictures, Planar
from pipeline.ledger import Ledger, Standing
from pipeline.messages import Detections, EndOfSource, FrameMeta
from pipeline.wire import encode_public
from stages.annotator.live_writer import LiveWriter
from stages.annotator.sink import Counts, Sink
from tests.fakes import MemoryBroker
from tests.fakes_store import MemoryStore
from tests.stages.synthetic import SIDE, full_of

SOURCE: Final = "gate"
NOON_S: Final = 1_714_564_800.0
"""2024-05-01 12:00:00 UTC."""


@dataclass
class Shelf:
    """All that sinks of one kind have written, by segment."""

    needs_pixels: bool = False
    refuses: str = ""
    """What the sinks can't do: `open`, `write`, `flush`, `finish` or `close`."""
    seqs: dict[str, list[int]] = field(default_factory=dict)
    colours: list[int | None] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    closed: int = 0
    opened: int = 0

    def open(self, segment: str) -> Sink:
        self.check("open")
        self.opened += 1
        return ShelfSink(self, segment)

    def check(self, act: str) -> None:
        if self.refuses == act:
            raise SinkError(f"can't {act}: the disk is full")

    @property
    def all(self) -> list[int]:
        return [seq for seqs in self.seqs.values() for seq in seqs]


class ShelfSink:
    kind = "shelf"

    def __init__(self, shelf: Shelf, segment: str) -> None:
        self.needs_pixels = shelf.needs_pixels
        self._shelf, self._segment = shelf, segment
        self._seqs = shelf.seqs.setdefault(segment, [])

    @property
    def done(self) -> int:
        return self._seqs[-1] if self._seqs else -1

    durable = done

    def counts(self) -> Counts:
        return Counts(len(self._seqs))

    def write(self, found: Detections, image: Planar | None) -> None:
        self._shelf.check("write")
        self._seqs.append(found.frame.seq)
        self._shelf.colours.append(None if image is None else int(image.data.max()))

    def flush(self) -> None:
        self._shelf.check("flush")

    def finish(self, frames: int, error: str | None) -> None:
        self._shelf.check("finish")
        self._shelf.finished.append(self._segment)

    def close(self) -> None:
        self._shelf.check("close")
        self._shelf.closed += 1


class Street:
    """A camera's public stream and pixels, and what its writers have told."""

    def __init__(self) -> None:
        self.broker, self.store = MemoryBroker(), MemoryStore()
        self.epoch, self._entry = 0, 0
        self.begin()

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.broker, SOURCE)

    @property
    def standing(self) -> Standing:
        return self.ledger.read()

    def begin(self, slots: int = 64) -> None:
        self.epoch = self.ledger.begin_epoch(live=True, after=self.epoch)
        self._pixels = self.store.create(SOURCE, self.epoch, slots, 3 * SIDE * SIDE)

    def meta(self, seq: int, at_s: float | None = None, pts_s: float | None = None) -> FrameMeta:
        stamp_s, shown_s = NOON_S + seq if at_s is None else at_s, float(seq) if pts_s is None else pts_s
        return FrameMeta(SOURCE, self.epoch, seq, shown_s, SIDE, SIDE, stamp_s, previous=seq - 1)

    def show(self, *seqs: int) -> None:
        """Let frames be taken, and nothing be left out between them."""
        for seq in seqs:
            self.publish(seq)

    def publish(
        self, seq: int, *, stored: bool = True, at_s: float | None = None, pts_s: float | None = None, **extra: Any
    ) -> None:
        """Publish a frame, one a second."""
        meta = self.meta(seq, at_s, pts_s)
        if stored:
            self._pixels.put(meta, Pictures(full=full_of(seq)))
        self._append(seq, encode_public(replace(Detections.none(meta), **extra)))
        self.ledger.write({"published": seq})

    def end(self, frames: int, error: str | None = None, epoch: int | None = None) -> None:
        epoch = epoch or self.epoch
        self._append(frames, encode_public(EndOfSource(SOURCE, epoch, frames, error)))
        self.ledger.write({"ended": epoch})

    def rubbish(self) -> None:
        self._append(0, b"\xc1 rubbish")

    def _append(self, seq: int, body: bytes) -> None:
        self._entry += 1
        with self.broker.transaction() as transaction:
            transaction.publish(keys.detections(SOURCE), f"{self._entry}-{seq}", body, {})

    def writer(self, shelves: Mapping[str, Shelf], segment_s: float = 3600.0, after: int = -1) -> LiveWriter:
        openers = {kind: shelf.open for kind, shelf in shelves.items()}
        return LiveWriter(self.broker, self.store, SOURCE, openers, segment_s, after)

    def feed(self, *writers: LiveWriter) -> None:
        """Hand on all that is published since."""
        for writer in writers:
            for delivery in self.broker.read({keys.detections(SOURCE): writer.position}, 10_000, 0):
                if not writer.finished:
                    writer.take(delivery)
            writer.advance()

    def numbers(self, *names: str) -> Sequence[int]:
        return [self.standing.number(name, -1) for name in names]
