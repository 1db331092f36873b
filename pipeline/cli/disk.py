"""What to say of a disk that is full: how much room the rest will take."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.source_report import SourceReport

_FULL: Final = os.strerror(errno.ENOSPC)
_MB: Final = 1_000_000


def with_need(error: str | None, reports: Sequence[SourceReport]) -> str | None:
    """Return why a run has ended; of a full disk, also how much room is needed, and how to go on."""
    if error is None or _FULL not in error:
        return error
    need = needed_bytes(reports)
    much = "room is needed for the rest" if need is None else f"about {_shown(need)} are needed for the rest"
    return f"{error}; {much}: make room, then go on with --resume"


def needed_bytes(reports: Sequence[SourceReport]) -> int | None:
    """Return about how much is still to be written, by what the frames so far have taken; None if nobody knows."""
    written = {report.source: _size(report) for report in reports}
    looked_at = {report.source: report.detected + report.failed for report in reports}
    frames = sum(looked_at.values())
    if not frames:
        return None
    left = sum(_left(report, looked_at[report.source], reports) for report in reports if report.status != "ok")
    return round(left * sum(written.values()) / frames)


def _left(report: SourceReport, frames: int, reports: Sequence[SourceReport]) -> float:
    """Return how many frames are left; of a recording that nobody has opened, by its size beside the others."""
    if report.expected is not None:
        return max(report.expected - frames, 0)
    known = [(other.expected, other.size) for other in reports if other.expected and other.size]
    size = sum(size for _, size in known)
    return (report.size or 0) * sum(expected for expected, _ in known) / size if size else 0.0


def _size(report: SourceReport) -> int:
    return sum(path.stat().st_size for path in map(Path, report.files) if path.is_file())


def _shown(size: int) -> str:
    return f"{size / _MB / 1000:.1f} GB" if size >= 1000 * _MB else f"{max(size / _MB, 0.1):.1f} MB"
