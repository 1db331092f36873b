"""A public stream, its pixels, and the positions of its writers."""

from collections.abc import Mapping
from typing import Final

from pipeline import keys
from pipeline.frame import Pictures
from pipeline.ledger import Ledger, Standing
from pipeline.messages import Detections, EndOfSource, FrameMeta
from pipeline.wire import encode_public
from stages.annotator.sink import Sink
from stages.annotator.writer import Writer
from tests.fakes import MemoryBroker
from tests.fakes_store import MemoryStore, MemoryWriter
from tests.stages.synthetic import SIDE, full_of

SOURCE: Final = "gate"
SLOTS: Final = 16


class Desk:
    """What surrounds the writers of one source."""

    def __init__(
        self, broker: MemoryBroker | None = None, store: MemoryStore | None = None, source: str = SOURCE
    ) -> None:
        self.broker, self.store, self.source = broker or MemoryBroker(), store or MemoryStore(), source
        self.epoch = 0
        self._pixels: MemoryWriter

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.broker, self.source)

    @property
    def standing(self) -> Standing:
        return self.ledger.read()

    def begin(self, slots: int = SLOTS) -> None:
        self.epoch = self.ledger.begin_epoch()
        self._pixels = self.store.create(self.source, self.epoch, slots, 3 * SIDE * SIDE)

    def store_pixels(self, *seqs: int, broken: bool = False) -> None:
        for seq in seqs:
            self._pixels.put(self.meta(seq), Pictures() if broken else Pictures(full=full_of(seq)))

    def publish(self, *seqs: int, error: str | None = None) -> None:
        for seq in seqs:
            found = Detections.none(self.meta(seq)) if error is None else Detections.failed(self.meta(seq), error)
            self.publish_body(seq, encode_public(found))

    def publish_end(self, frames: int, error: str | None = None) -> None:
        self.publish_body(frames, encode_public(EndOfSource(self.source, self.epoch, frames, error)))

    def publish_body(self, seq: int, body: bytes) -> None:
        with self.broker.transaction() as transaction:
            transaction.publish(keys.detections(self.source), f"{1000 + seq * 40}-{seq}", body, {})

    def meta(self, seq: int) -> FrameMeta:
        return FrameMeta(self.source, self.epoch, seq, seq / 25, SIDE, SIDE)

    def writer(self, sinks: Mapping[str, Sink], retain: int = 0) -> Writer:
        return Writer(self.broker, self.store, self.source, sinks, retain)

    def feed(self, writer: Writer) -> None:
        """Hand on what is published and let it be written, as far as the pixels are there."""
        writer.advance()
        while writer.hungry and not writer.finished:
            found = self.broker.read({keys.detections(self.source): writer.position}, 8, 0)
            if not found:
                return
            for delivery in found:
                writer.take(delivery)
            writer.advance()

    def retained(self) -> list[int]:
        return [seq for _, seq in sorted(self.broker.stream(keys.detections(self.source)).entries)]

    def positions(self) -> tuple[int, int]:
        return self.standing.done((keys.ANNOTATOR,)), self.standing.durable((keys.ANNOTATOR,))
