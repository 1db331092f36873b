"""A detector's surroundings: queues of frames, their pixels, and what was answered."""

from typing import Final

from pipeline import keys
from pipeline.broker import Delivery
from pipeline.frame import Pictures
from pipeline.ledger import Ledger
from pipeline.messages import Detections, FrameMeta, Turn
from pipeline.wire import decode, encode
from stages.detector.engine import Engine
from stages.detector.stage import Detector, Limits
from tests.fakes import MemoryBroker
from tests.fakes_store import MemoryStore, MemoryWriter
from tests.stages.instant_engine import finder
from tests.stages.synthetic import SIDE, picture_of

SLOTS: Final = 64
MOST_DELIVERIES: Final = 3


class Bench:
    """Recordings are announced frame by frame; of cameras the newest frame is offered."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.broker, self.store = MemoryBroker(clock=lambda: self.now_s), MemoryStore()
        self.writers: dict[str, MemoryWriter] = {}
        self.epochs: dict[str, int] = {}
        self._queue = self.broker.group([keys.LIVE, keys.FRAMES], keys.DETECTORS, "desk")

    def begin(self, source: str, *, live: bool = False) -> int:
        self.epochs[source] = Ledger(self.broker, source).begin_epoch(live=live, after=self.epochs.get(source, 0))
        self.writers[source] = self.store.create(source, self.epochs[source], SLOTS, 3 * SIDE * SIDE)
        return self.epochs[source]

    def announce(self, source: str, *seqs: int, stored: bool = True) -> None:
        if source not in self.writers:
            self.begin(source)
        for seq in seqs:
            meta = FrameMeta(source, self.epochs[source], seq, seq / 25, SIDE, SIDE, decoded_ns=1)
            if stored:
                self.writers[source].put(meta, Pictures(picture_of(seq)))
            self.send(encode(meta))

    def offer(self, camera: str, *seqs: int, stored: bool = True) -> None:
        """Make frames of a camera its newest, one after the other."""
        if camera not in self.writers:
            self.begin(camera, live=True)
        for seq in seqs:
            epoch = self.epochs[camera]
            meta = FrameMeta(camera, epoch, seq, seq / 25, SIDE, SIDE, decoded_ns=1)
            if stored:
                self.writers[camera].put(meta, Pictures(picture_of(seq)))
            self.broker.offer(keys.live(camera), epoch, seq, encode(meta), encode(Turn()))

    def send(self, body: bytes) -> None:
        with self.broker.transaction() as transaction:
            transaction.append(keys.FRAMES, body)

    def detector(self, engine: Engine, name: str = "one", timeout_s: float = 60.0) -> Detector:
        return Detector(self.broker, self.store, engine, finder(), name, Limits(MOST_DELIVERIES, timeout_s))

    def busy(self) -> bool:
        """Whether something waits in the queue; an idle detector would block."""
        return any(self.pending(stream) or self.unread(stream) for stream in (keys.LIVE, keys.FRAMES))

    def pending(self, stream: str) -> int:
        """Return how many items detectors have in hand."""
        return len(self.broker.stream(stream).groups[keys.DETECTORS].pending)

    def unread(self, stream: str) -> int:
        """Return how many items nobody has taken yet."""
        state = self.broker.stream(stream).groups[keys.DETECTORS]
        return len(self.broker.stream(stream).behind(state.last, 1000))

    def taken(self) -> list[Delivery]:
        """Take all items that wait, as a detector does."""
        return self._queue.read(1000, 0)

    def work_off(self, detector: Detector) -> None:
        while self.busy():
            detector.step()

    def answers(self) -> list[Detections]:
        found = [decode(body) for stream in (keys.RAW_LIVE, keys.RAW) for body in self.broker.bodies(stream)]
        return [message for message in found if isinstance(message, Detections)]

    def answered(self) -> list[tuple[str, int]]:
        return [(found.frame.source, found.frame.seq) for found in self.answers()]

    def failed(self) -> dict[int, str]:
        return {found.frame.seq: found.error for found in self.answers() if found.error is not None}

    def letters(self) -> list[tuple[bytes, str]]:
        stream = self.broker.stream(keys.DEAD_LETTERS)
        return [(stream.entries[entry], str(stream.fields[entry]["reason"])) for entry in stream.entries]
