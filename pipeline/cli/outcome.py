"""What a person sees of a run at its end."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.source_report import SourceReport

_HEADINGS: Final = ("detections", "failed", "wall s", "fps", "p50 ms", "p95 ms")
_MOST_SHOWN: Final = 50
"""Of sources with which all is well."""


def show(reports: Sequence[SourceReport], console: Console) -> None:
    """Print what became of each source: a table, then where its files are, or what went wrong."""
    console.print(table(shown := _shown(reports)))
    if len(reports) > len(shown):
        console.print(f"and {len(reports) - len(shown)} more, with which all is well: see manifest.json")
    if len(reports) > 1:
        console.print(f"all: {_sums(reports)}")
    for report in shown:
        told = "; ".join(filter(None, (report.error, ", ".join(report.files))))
        console.print(f"{report.source}: {told}", markup=False, soft_wrap=True)
        for sink, counts in report.deliveries.items():
            if undelivered := [f"{count} {what}" for what, count in counts.items() if what != "sent" and count]:
                text = f"{report.source}: not all was sent to {sink}: {', '.join(undelivered)}"
                console.print(text, markup=False, soft_wrap=True)


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


def _shown(reports: Sequence[SourceReport]) -> list[SourceReport]:
    """Return those of which something is to be said, and the first others."""
    well = [report.source for report in reports if report.status == "ok"][:_MOST_SHOWN]
    return [report for report in reports if report.status != "ok" or report.source in well]


def _sums(reports: Sequence[SourceReport]) -> str:
    counts = Counter(report.status for report in reports)
    states = ", ".join(f"{count} {status}" for status, count in sorted(counts.items(), reverse=True))
    frames, failed = (sum(getattr(report, name) for report in reports) for name in ("frames", "failed"))
    detections = sum(report.detections for report in reports)
    return f"{states}; {frames} frames, {detections} detections, {failed} failed frames"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f}"
