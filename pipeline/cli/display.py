"""What a person sees of a run while it goes on, and at its end."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from pipeline.ledger import Standing
from pipeline.source_report import SourceReport

_LINE_EVERY_S: Final = 10.0
_HEADINGS: Final = ("detections", "failed", "wall s", "fps", "p50 ms", "p95 ms")
_STYLES: Final = {"warning": "yellow", "error": "red", "critical": "red"}
CAMERA_STYLES: Final = {"live": "green", "failed": "red", "stalled": "red", "reconnecting": "yellow"}
"""How the states of cameras are painted."""
_TECHNICAL: Final = frozenset({"stage", "source", "level", "event", "timestamp", "name"})


class Display:
    """A progress bar a source on a terminal, a line every ten seconds elsewhere; log lines go above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]:>6.1f} fps  ETA"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._first_s: dict[str, float] = {}
        self._line_s = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def update(self, standings: Mapping[str, Standing]) -> None:
        """Show where each source stands."""
        active = {name: standing for name, standing in standings.items() if standing.epoch}
        for name, standing in active.items():
            self._show(name, standing)
        if not self._console.is_terminal and time.monotonic() - self._line_s > _LINE_EVERY_S:
            self._line_s = time.monotonic()
            for name, standing in active.items():
                if not standing.finished(("annotator",)):
                    self._console.print(escape(f"{name}: {_line(standing)}"))

    def log(self, line: Mapping[str, Any]) -> None:
        """Show a log line of a stage."""
        text = " ".join(f"{key}={value}" for key, value in line.items() if key not in _TECHNICAL)
        where = " ".join(str(line[key]) for key in ("name", "source") if line.get(key))
        style = _STYLES.get(str(line.get("level")), "dim")
        event = f"{where}: {line.get('event')} {text}".rstrip()
        self._console.print(f"[{style}]{escape(event)}[/]", soft_wrap=True)

    def _show(self, name: str, standing: Standing) -> None:
        written = min(standing.done(("annotator",)), standing.published) + 1
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(escape(name), total=None, fps=0.0)
        if standing.live:
            self._show_camera(name, standing)
            return
        if written and name not in self._first_s:
            self._first_s[name] = time.monotonic()
        elapsed_s = time.monotonic() - self._first_s.get(name, time.monotonic())
        self._bars.update(
            self._tasks[name], completed=written, total=_total(standing), fps=written / elapsed_s if elapsed_s else 0.0
        )

    def _show_camera(self, name: str, standing: Standing) -> None:
        state = standing.text("state")
        text = f"{escape(name)} [{CAMERA_STYLES.get(state, 'dim')}]{state}[/]"
        self._bars.update(self._tasks[name], description=text, completed=standing.published + 1, fps=_rate(standing))


def show(reports: Sequence[SourceReport], console: Console) -> None:
    """Print what became of each source: a table, then where its files are, or what went wrong."""
    console.print(table(reports))
    for report in reports:
        told = "; ".join(filter(None, (report.error, ", ".join(report.files))))
        console.print(f"{report.source}: {told}", markup=False, soft_wrap=True)


def table(reports: Sequence[SourceReport]) -> Table:
    """Return the report of a run as a table, a row a source."""
    result = Table(title=None, box=None, header_style="bold")
    live = any(report.live for report in reports)
    headings = ("source", "status", "frames", *(("dropped", "skipped") if live else ()), *_HEADINGS)
    for heading in headings:
        result.add_column(heading, justify="left" if heading in ("source", "status") else "right")
    for report in reports:
        gaps = (report.dropped, report.skipped) if live else ()
        numbers = (report.frames, *gaps, report.detections, report.failed, f"{report.wall_s:.1f}", f"{report.fps:.1f}")
        latencies = (_milliseconds(report.latency_p50_s), _milliseconds(report.latency_p95_s))
        status = f"[{'green' if report.status == 'ok' else 'red'}]{report.status}[/]"
        result.add_row(escape(report.source), status, *map(str, numbers), *latencies)
    return result


def _line(standing: Standing) -> str:
    if not standing.live:
        return f"{standing.published + 1} of {_total(standing) or '?'} frames"
    code, captured = standing.text("code"), standing.number("captured", 0)
    state = standing.text("state") + (f" ({code})" if code else "")
    return f"{state}, {_rate(standing):.1f} fps, {captured} frames captured"


def _rate(standing: Standing) -> float:
    return float(standing.fields.get("rate", 0.0))


def _total(standing: Standing) -> int | None:
    return standing.frames if standing.frames is not None else standing.number("expected", 0) or None


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f}"
