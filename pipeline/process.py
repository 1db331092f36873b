"""The life of a stage's process: settings, logs, signals, exit codes."""

import ctypes
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog

from pipeline import log
from pipeline.errors import BrokerForgotError, ConfigError, DetstreamError
from pipeline.settings import KernelSettings, load
from pipeline.signals import stop_on_signals

S = TypeVar("S", bound=KernelSettings)

WRONG_SETTINGS: Final = 2
"""Exit code: nothing was started; starting again is of no use."""
HOPELESS: Final = 3
"""Exit code: an error that a restart would only repeat."""
CRASHED: Final = 1
"""Exit code: an error that nobody foresaw."""

_M_TRIM_THRESHOLD: Final = -1  # malloc.h
_M_MMAP_THRESHOLD: Final = -3
_LARGEST_KEPT: Final = 32 << 20
"""The most that glibc takes: a picture of 3840x2160 has 24.9 MB."""
_MOST_KEPT: Final = 128 << 20


def run_stage(stage: str, kind: type[S], config: Path | None, body: Callable[[S, threading.Event], None]) -> int:
    """Run a stage until it is done or told to stop (SIGTERM, Ctrl-C), and return its exit code."""
    log.configure(stage)
    stop = stop_on_signals()
    keep_freed_memory()
    try:
        settings = load(kind, config)
        log.configure(stage, level=settings.log_level)
        gc.freeze()  # what is imported stays: stages ask for collections, and these need not go through it (60 ms)
        body(settings, stop)
    except ConfigError as error:
        return _fail(WRONG_SETTINGS, error)
    except BrokerForgotError as error:  # before it could begin
        return _fail(CRASHED, error)
    except DetstreamError as error:
        return _fail(HOPELESS, error)
    except Exception as error:  # the top of the process: the supervisor restarts it
        structlog.get_logger().exception("crashed", error=f"{type(error).__name__}: {error}")
        return CRASHED
    return 0


def keep_freed_memory() -> None:
    """Let glibc keep large blocks that were freed for the next ones of their size; elsewhere do nothing.

    By default it gives a picture's memory back to the kernel and asks for it again with every frame: measured at
    768x432, 2.2 ms of kernel time a frame over all stages, 0.2 with these limits (191 -> 229 frames a second).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT)


def _fail(code: int, error: DetstreamError) -> int:
    structlog.get_logger().error("failed", error=str(error))
    return code
