"""All processes of a run on one broker, each of which can be stopped and killed at any of its calls."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.errors import BrokerForgotError
from pipeline.ledger import Ledger
from pipeline.memory import Budget
from pipeline.retention import Retention
from pipeline.settings import FlowSettings
from pipeline.source_report import report_source
from stages.annotator.journal import Journal
from stages.annotator.opening import Opening
from stages.annotator.past import Past
from stages.annotator.settings import AnnotatorSettings
from stages.annotator.sink import Sink
from stages.annotator.sinks.jsonl import JsonlSink
from stages.annotator.stage import Annotator, SourceWriter
from stages.annotator.writer import Writer
from stages.decoder.following import Following
from stages.decoder.room import Room
from stages.detector.stage import Detector, Limits
from stages.tracker.channel import Channel
from stages.tracker.settings import TrackerSettings
from stages.tracker.stage import Tracker
from tests.fakes import MemoryBroker
from tests.fakes_store import MemoryStore
from tests.stages.annotator.disk_sink import Disk, DiskSink
from tests.stages.fuse import fused
from tests.stages.instant_engine import InstantEngine, finder
from tests.stages.processes import Clock, NeverStopped, Process, pausing
from tests.stages.synthetic import SIDE, SyntheticVideo

LEASE_S: Final = 5.0
CLAIM_S: Final = 10.0
_RETAIN: Final = 2
_MOST_ROUNDS: Final = 3_000


@dataclass(frozen=True)
class Opener:
    """A recording that is no file."""

    length: int
    broken: frozenset[int] = frozenset()
    fails_at: int | None = None
    address: str = ""
    size: int = 0

    @property
    def frames(self) -> int:
        return self.length if self.fails_at is None else self.fails_at

    def contents(self) -> Iterator[bytes]:
        return iter(())

    def build(self) -> SyntheticVideo:
        return SyntheticVideo(self.length, self.broken, self.fails_at)


SOURCES: Final = {
    "gate": Opener(23, frozenset({4, 17})),
    "yard": Opener(12, fails_at=9),
    "zoo": Opener(1),
}
PROCESSES: Final = ("decoder-1", "decoder-2", "detector-1", "detector-2", "tracker-1", "tracker-2", "annotator-1")


class Works:
    """Two decoders, two detectors, two trackers of which one is in reserve, and an annotator with its folder."""

    def __init__(self, folder: Path, window: int = 5, lag: int = 2) -> None:
        """`window`: frames that a decoder may be ahead; `lag`: frames that the sink which draws holds back."""
        self.clock, self.folder = Clock(), folder
        self.broker = MemoryBroker(claim_after_s=CLAIM_S, clock=lambda: self.clock.now_s)
        self.store = MemoryStore()
        self.disks = {name: Disk() for name in SOURCES}
        self._lag, self._flow = lag, FlowSettings(picture_size=(SIDE, SIDE), window=window)
        self._bodies: dict[str, Callable[[Process], None]] = {
            "decoder": self._decode,
            "detector": self._detect,
            "tracker": self._track,
            "annotator": self._write,
        }
        self._processes: dict[str, Process] = {}
        self._names: dict[Process, str] = {}

    @property
    def finished(self) -> bool:
        """Whether all is written, in its final form."""
        return all(Journal(self.folder, name).record() for name in SOURCES)

    def resume(self, name: str) -> None:
        """Let a process run up to its next call of the broker; one that was killed is started again."""
        if name not in self._processes:
            stage = name.partition("-")[0]
            process = Process(self._bodies[stage], fenced=stage in ("tracker", "annotator"))
            self._processes[name], self._names[process] = process, name
        try:
            self._processes[name].resume()
        except BrokerForgotError:  # it could not begin: its process ends, and is started again
            self._processes.pop(name).cleanup.close()

    def kill(self, name: str) -> None:
        """Let a process die, if it lives."""
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()

    def pass_time(self, seconds: float) -> None:
        """Let leases and claims of the dead fall due; those who number objects are between two steps meanwhile."""
        for name in ("tracker-1", "tracker-2"):
            while name in self._processes and not self._processes[name].between:
                self.resume(name)
        self.clock.now_s += seconds

    def forget(self) -> None:
        """Let the broker lose its memory."""
        for kept in (self.broker.streams, self.broker.hashes, self.broker.sets, self.broker.leases):
            kept.clear()
        for process in self._processes.values():
            process.forgotten = True

    def run_to_the_end(self) -> None:
        """Let all run by turns until everything is written."""
        for number in range(_MOST_ROUNDS):
            for name in PROCESSES:
                self.resume(name)
            if self.finished:
                return
            if number % 200 == 199:
                self.pass_time(CLAIM_S + 1)
        raise AssertionError("it does not get on")

    def close(self) -> None:
        for name in list(self._processes):
            self.kill(name)

    def text(self, source: str) -> bytes:
        """Return the lines that are written."""
        path = JsonlSink().outputs(self.folder, source)[0]
        return path.read_bytes() if path.exists() else b""

    def record(self, source: str) -> dict[str, Any]:
        """Return what became of a source, but for what depends on time."""
        found = Journal(self.folder, source).record() or {}
        return {name: found.get(name) for name in ("status", "error", "frames", "detected", "failed", "detections")}

    def _decode(self, process: Process) -> None:
        broker, store, stop = fused(self.broker, process), pausing(self.store, process), NeverStopped(self.clock)
        following = Following(broker, store, Room(self._flow, Budget(64), 1), self._names[process], stop)
        waiting = deque(SOURCES.items())
        while waiting:
            source = waiting.popleft()
            if not following.follow(*source):
                waiting.append(source)

    def _detect(self, process: Process) -> None:
        broker, engine = fused(self.broker, process), InstantEngine(3, 1)
        detector = Detector(broker, self.store, engine, finder(), self._names[process], Limits(1 << 20, timeout_s=60))
        while True:
            detector.step()

    def _track(self, process: Process) -> None:
        broker = fused(self.broker, process)
        tracker = Tracker(broker, self._names[process], lambda name, live: Channel(broker, name, TrackerSettings()))
        while True:
            process.step_over()
            try:
                if tracker._in_charge():
                    tracker.step(0)
            except BrokerForgotError as error:
                tracker._give_up(str(error))

    def _write(self, process: Process) -> None:
        broker = fused(self.broker, process)
        settings = AnnotatorSettings(output=self.folder, sinks=(JsonlSink(),))
        opening = Opening(broker, self.store, settings, lambda _: Retention(_RETAIN))

        def open_writer(source: str) -> SourceWriter:
            journal = Journal(self.folder, source)
            if journal.record() is not None:
                return opening.writer(source)
            text = JsonlSink().build(self.folder, source)
            process.cleanup.callback(text._file.close)  # as the kernel does: what is written stays, the lock goes
            sinks: dict[str, Sink] = {"jsonl": text, "disk": DiskSink(self.disks[source], lag=self._lag)}

            def record() -> Iterator[None]:
                journal.finish(asdict(report_source(broker, source, "", [], interrupted=False, finished=True)))
                yield
                opening.writer(source)

            past = Past(journal, JsonlSink().outputs(self.folder, source)[0])
            with ExitStack() as opened:
                opened.callback(text.close)
                writer = Writer(broker, self.store, source, sinks, _RETAIN, past, record)
                opened.pop_all()
            return writer

        annotator = Annotator(broker, self._names[process], open_writer)
        while True:
            annotator._turn()


def positions(works: Works, source: str) -> tuple[int, int]:
    """Return the last frame that is published, and the last that is durable."""
    standing = Ledger(works.broker, source).read()
    return standing.published, standing.durable(("annotator",))
