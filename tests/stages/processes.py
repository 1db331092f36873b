"""Processes as threads, of which one runs at a time, from one call of the broker to the next."""

import threading
import time as real_time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, Final, cast

from pipeline.errors import BrokerForgotError
from pipeline.frame import Pictures
from pipeline.frame_store import FrameStore
from pipeline.messages import FrameMeta
from stages.annotator import pixels, writer
from stages.annotator import stage as annotator_stage
from stages.decoder import epoch, following
from stages.detector import flights
from stages.detector import stage as detector_stage
from stages.tracker import publication
from stages.tracker import stage as tracker_stage
from tests.fakes_store import MemoryStore, MemoryWriter
from tests.stages.fuse import Fuse
from tests.stages.instant_engine import Killed

_TICK_S: Final = 1e-4
_LONGEST_SLEEP_S: Final = 0.01
_HANGS_S: Final = 30.0
_CLOCKED: Final = (
    pixels,
    writer,
    annotator_stage,
    epoch,
    following,
    flights,
    detector_stage,
    tracker_stage,
    publication,
)


class Clock:
    """Stands in for the module `time`: it goes on when somebody looks or sleeps, and when a test lets time pass."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        self.now_s += _TICK_S
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += min(max(seconds, 0.0), _LONGEST_SLEEP_S)

    def time_ns(self) -> int:
        return real_time.time_ns()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let all stages go by it."""
        for module in _CLOCKED:
            _set_clock(module, self)
        try:
            yield
        finally:
            for module in _CLOCKED:
                _set_clock(module, real_time)


def _set_clock(module: ModuleType, clock: object) -> None:
    setattr(module, "time", clock)  # noqa: B010 - mypy knows it as the module


class NeverStopped(threading.Event):
    """Nobody asks to stop, and waiting takes no time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.sleep(timeout or 0.0)
        return False


class Process(Fuse):
    """Runs a body in a thread, a piece with each `resume`; a fuse of the broker that it is given."""

    def __init__(self, body: "Callable[[Process], None]", *, fenced: bool) -> None:
        """`fenced`: its broker tells, once, that it has lost its memory."""
        super().__init__()
        self.fenced, self.forgotten = fenced, False
        self.over = self.between = False
        """Whether its body has ended; whether it is between two steps."""
        self.cleanup = ExitStack()
        """What the kernel does when a process dies."""
        self._body, self._dying = body, False
        self._failure: BaseException | None = None
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def dying(self) -> bool:
        return self._dying

    def resume(self) -> None:
        """Let it run up to its next call of the broker; raises what it raises."""
        if self.over:
            return
        self.between = False
        self._go.release()
        assert self._paused.acquire(timeout=_HANGS_S), "it neither ends nor calls the broker"
        if self._failure is not None:
            raise self._failure

    def kill(self) -> None:
        """Let it die where it is, as SIGKILL does."""
        self._dying = True
        self.resume()
        self._thread.join(_HANGS_S)
        self.cleanup.close()

    def pause(self) -> None:
        """Wait for the next `resume`; called in its thread."""
        if not self._dying:
            self._paused.release()
            self._go.acquire()
        if self._dying:
            raise Killed

    def step_over(self) -> None:
        """Pause between two steps."""
        self.between = True
        self.pause()

    @contextmanager
    def burning(self) -> Iterator[None]:
        self.pause()
        if self.fenced and self.forgotten:
            self.forgotten = False
            raise BrokerForgotError("the broker was started anew")
        yield

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._dying:
                self._body(self)
        except Killed:
            pass
        except BaseException as error:
            self._failure = error
        self.over = True
        self._paused.release()


class _PausingWriter:
    """Pictures that stay when whoever has stored them is killed."""

    def __init__(self, inner: MemoryWriter, process: Process) -> None:
        self._inner, self._process = inner, process

    def put(self, meta: FrameMeta, pictures: Pictures) -> None:
        self._process.pause()
        self._inner.put(meta, pictures)

    def close(self) -> None:
        if not self._process.dying:
            self._inner.close()


class _PausingStore:
    def __init__(self, inner: MemoryStore, process: Process) -> None:
        self._inner, self._process = inner, process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def create(
        self, source: str, epoch: int, slots: int, slot_bytes: int, *, any_order: bool = False
    ) -> _PausingWriter:
        self._process.pause()
        made = self._inner.create(source, epoch, slots, slot_bytes, any_order=any_order)
        return _PausingWriter(made, self._process)


def pausing(store: MemoryStore, process: Process) -> FrameStore:
    """Return a store as a process sees it."""
    return cast(FrameStore, _PausingStore(store, process))
