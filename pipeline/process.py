"""The life of a stage's process: settings, logs, signals, exit codes."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog

from pipeline import log
from pipeline.errors import ConfigError, DetstreamError
from pipeline.settings import KernelSettings, load
from pipeline.signals import stop_on_signals

S = TypeVar("S", bound=KernelSettings)

WRONG_SETTINGS: Final = 2
"""Exit code: nothing was started; starting again is of no use."""
HOPELESS: Final = 3
"""Exit code: an error that a restart would only repeat."""
CRASHED: Final = 1
"""Exit code: an error that nobody foresaw."""


def run_stage(stage: str, kind: type[S], config: Path | None, body: Callable[[S, threading.Event], None]) -> int:
    """Run a stage until it is done or told to stop (SIGTERM, Ctrl-C), and return its exit code."""
    log.configure(stage)
    stop = stop_on_signals()
    try:
        settings = load(kind, config)
        log.configure(stage, level=settings.log_level)
        body(settings, stop)
    except ConfigError as error:
        return _fail(WRONG_SETTINGS, error)
    except DetstreamError as error:
        return _fail(HOPELESS, error)
    except Exception as error:  # the top of the process: the supervisor restarts it
        structlog.get_logger().exception("crashed", error=f"{type(error).__name__}: {error}")
        return CRASHED
    return 0


def _fail(code: int, error: DetstreamError) -> int:
    structlog.get_logger().error("failed", error=str(error))
    return code
