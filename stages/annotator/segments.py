"""The files of a camera: one after the other, each named by the time of its first frame."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_STAMP: Final = "%Y%m%dT%H%M%SZ"
_STAMP_PATTERN: Final = r"\d{8}T\d{6}Z"


def stem(source: str, timestamp_s: float) -> str:
    """Return the name of the segment that begins at a time, seconds since 1970, without its endings."""
    return f"{source}-{datetime.fromtimestamp(int(timestamp_s), UTC).strftime(_STAMP)}"


def stems(folder: Path, source: str) -> list[str]:
    """Return the segments of a source that are in a folder, finished or not, the oldest first."""
    pattern = re.compile(rf"({re.escape(source)}-{_STAMP_PATTERN})\..+")
    return sorted({found[1] for path in folder.glob(f"{source}-*") if (found := pattern.fullmatch(path.name))})


def boundary(timestamp_s: float, segment_s: float) -> float:
    """Return when the segment ends that holds a time: at the next multiple of its length, hours on the hour."""
    return (timestamp_s // segment_s + 1) * segment_s
