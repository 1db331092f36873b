"""The four stages in one thread, each of which may be killed at any of its calls to the broker."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.broker import Broker
from pipeline.ledger import Ledger
from pipeline.settings import FlowSettings
from stages.annotator import pixels, writer
from stages.annotator import stage as annotator_stage
from stages.annotator.sink import Sink
from stages.annotator.sinks.jsonl import JsonlSink
from stages.annotator.stage import Annotator
from stages.annotator.writer import Writer
from stages.decoder import epoch as decoder_epoch
from stages.decoder.epoch import Epoch, EpochOver
from stages.decoder.sizes import PictureSizes
from stages.detector import stage as detector_stage
from stages.detector.stage import Detector, Limits
from stages.tracker.channel import Channel
from stages.tracker.settings import TrackerSettings
from stages.tracker.stage import Tracker
from tests.fakes import MemoryBroker
from tests.fakes_store import MemoryStore
from tests.stages.annotator.disk_sink import Disk, DiskSink
from tests.stages.fuse import Fuse, fused
from tests.stages.instant_engine import InstantEngine, Killed, finder
from tests.stages.synthetic import SIDE, SyntheticVideo

SOURCE: Final = "gate"
STAGES: Final = ("decoder", "detector", "tracker", "annotator")
FLOW: Final = FlowSettings(picture_size=(SIDE, SIDE))
MOST_STEPS: Final = 5_000
MOST_LIVES: Final = 5
"""Of one stage; no frame is given up because so many detectors died with it."""
AT_ONCE: Final = {
    "_IDLE_BLOCK_S": detector_stage,
    "_LONGEST_ROOM_POLL_S": decoder_epoch,
    "_END_POLL_S": decoder_epoch,
    "_BLOCK_S": annotator_stage,
    "_WAITING_S": annotator_stage,
    "_DISCOVER_S": annotator_stage,
    "_FLUSH_S": writer,
    "_DOUBT_EVERY_S": pixels,
}
"""What is set to zero, so that no step waits for the clock."""


@dataclass(frozen=True)
class Setup:
    """What is to be processed, and in which steps."""

    video: Callable[[], SyntheticVideo]
    window: int = 6
    max_batch: int = 3
    in_flight: int = 1
    lag: int = 2
    """Frames that the sink which draws holds back."""
    poison: frozenset[int] = frozenset()


@dataclass
class Whole:
    """One source on its way through all stages; `order` says whose step is next, `deaths` when who is killed."""

    setup: Setup
    folder: Path
    order: np.random.Generator
    deaths: Mapping[str, list[Fuse]]
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    store: MemoryStore = field(default_factory=MemoryStore)
    disk: Disk = field(default_factory=Disk)
    steps: int = 0
    killed: int = 0

    def __post_init__(self) -> None:
        self._making: dict[str, Callable[[Broker], Callable[[], object]]] = {
            "detector": self._detector,
            "tracker": self._tracker,
            "annotator": self._annotator,
        }
        self._open: dict[str, ExitStack] = {}
        self._running: dict[str, Callable[[], object]] = {}

    def run(self) -> None:
        """Return when the source is finished, however often a decoder has to begin."""
        while not self._finished():
            try:
                self._decode(self._fuse("decoder"))
            except Killed:
                self.killed += 1
        for stage in self._open.values():
            stage.close()

    def _finished(self) -> bool:
        return Ledger(self.broker, SOURCE).read().finished(FLOW.required)

    def _decode(self, fuse: Fuse) -> None:
        """Be the decoder; between its frames, and while it waits, the others take their steps."""
        epoch = Epoch(fused(self.broker, fuse), Ledger(fused(self.broker, fuse), SOURCE), FLOW, self._others)
        with closing(self.setup.video()) as video:
            video.before = self._before
            sizes = PictureSizes.of(video.facts.width, video.facts.height, FLOW)
            pixels = self.store.create(SOURCE, epoch.number, self.setup.window + 2, sizes.slot_bytes)
            try:
                with epoch.fenced():
                    epoch.decode(video, pixels, sizes, self.setup.window)
                    epoch.wait_until_finished()
            except EpochOver:  # one that is killed leaves its pixels behind
                pixels.close()

    def _before(self, seq: int) -> None:
        self._others()

    def _others(self) -> bool:
        """Let some of the other stages take a step."""
        self.steps += 1
        assert self.steps < MOST_STEPS, "it does not get on"
        for stage in self.order.permutation(STAGES[1:])[: self.order.integers(1, 4)]:
            self._step(str(stage))
        return True

    def _step(self, stage: str) -> None:
        try:
            if stage not in self._running:
                self._open[stage] = ExitStack()
                self._running[stage] = self._making[stage](fused(self.broker, self._fuse(stage)))
            self._running[stage]()
        except Killed:
            self.killed += 1
            self._open.pop(stage).close()
            self._running.pop(stage, None)

    def _fuse(self, stage: str) -> Fuse:
        return self.deaths[stage].pop() if self.deaths.get(stage) else Fuse()

    def _detector(self, broker: Broker) -> Callable[[], object]:
        engine = InstantEngine(
            self.setup.max_batch, self.setup.in_flight, poison=self.setup.poison, at_once=self.setup.in_flight == 1
        )
        return Detector(broker, self.store, engine, finder(), "detector-1", Limits(MOST_LIVES + 1, timeout_s=60)).step

    def _tracker(self, broker: Broker) -> Callable[[], object]:
        tracker = Tracker(broker, "tracker-1", lambda source, live: Channel(broker, source, TrackerSettings()))
        return lambda: tracker.step(0)

    def _annotator(self, broker: Broker) -> Callable[[], object]:
        stack = self._open["annotator"]

        def open_writer(source: str) -> Writer:
            text = JsonlSink().build(self.folder, source)
            stack.callback(text._file.close)  # as the kernel does: what is written stays, the lock goes
            sinks: dict[str, Sink] = {"jsonl": text, "disk": DiskSink(self.disk, lag=self.setup.lag)}
            return Writer(broker, self.store, source, sinks, 5)

        return Annotator(broker, "annotator-1", open_writer).step


@contextmanager
def hurried() -> Iterator[None]:
    """Let no step wait for the clock."""
    before = {name: getattr(module, name) for name, module in AT_ONCE.items()}
    for name, module in AT_ONCE.items():
        setattr(module, name, -1.0 if name in ("_FLUSH_S", "_DISCOVER_S", "_DOUBT_EVERY_S") else 0.0)
    yield
    for name, module in AT_ONCE.items():
        setattr(module, name, before[name])
