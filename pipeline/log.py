"""Log lines: human on a terminal, JSON otherwise, each with its stage."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


def configure(stage: str, *, json: bool | None = None, level: str = "info", stream: TextIO | None = None) -> None:
    """Send the log lines of this process to `stream` (stderr), as JSON unless it is a terminal."""
    out = stream or sys.stderr
    as_json = not out.isatty() if json is None else json
    # The renderer for terminals prints tracebacks by itself.
    renderers = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _named(stage),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(renderers if as_json else [structlog.dev.ConsoleRenderer(colors=out.isatty())]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )


def _named(stage: str) -> Processor:
    def add_stage(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        return {"stage": stage, **line}  # not by a context variable: threads don't inherit those

    return add_stage
