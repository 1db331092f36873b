"""Loaded by every Python that has this folder on its PYTHONPATH: gives a detector's null engine a fault.

The environment says which: ``FAULT`` is a name in `_FAULTS` or "unbuilt", ``FAULT_AT`` the number of the submit that it
begins with, and ``FAULT_MARK`` a file that is made when it happens: a process that finds it has no fault.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any


def _failing(images: Sequence[Any]) -> Future[Any]:
    answer: Future[Any] = Future()
    answer.set_exception(RuntimeError("CUDA error: an illegal memory access was encountered"))
    return answer


def _silent(images: Sequence[Any]) -> Future[Any]:
    return Future()


def _crashing(images: Sequence[Any]) -> Future[Any]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return Future()


def _refused(*_: object) -> None:
    from pipeline.errors import EngineError

    raise EngineError("no engine: the device has not enough memory")


_FAULTS: dict[str, tuple[Callable[[Sequence[Any]], Future[Any]], float]] = {
    "some": (_failing, 3),  # a batch, and after it the first two of its frames
    "dead": (_failing, float("inf")),
    "silent": (_silent, 1),
    "crash": (_crashing, 1),
}
"""What happens, and at how many submits."""


def _inject(fault: str, at: int, mark: Path) -> None:
    from stages.detector.engines.null import NullEngine, NullInference

    if fault == "unbuilt":
        NullEngine.build = _refused  # type: ignore[assignment, method-assign]
        return
    submit, count, fresh = NullInference.submit, 0, not mark.exists()
    happen, times = _FAULTS[fault]

    def faulty(self: NullInference, images: Sequence[Any]) -> Future[Any]:
        nonlocal count
        count += 1
        if not (fresh and at <= count < at + times):
            return submit(self, images)
        mark.touch()
        return happen(images)

    NullInference.submit = faulty  # type: ignore[method-assign]


if "stages.detector" in sys.orig_argv and "FAULT" in os.environ and "-m" in sys.orig_argv:
    _inject(os.environ["FAULT"], int(os.environ["FAULT_AT"]), Path(os.environ["FAULT_MARK"]))
