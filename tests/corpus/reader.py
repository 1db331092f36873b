"""Reads recordings in a process of its own, as whatever a damaged one does must be survived.

Paths come in by lines, answers go out as JSON, a line each.
"""

import json
import resource
import sys
import time
import zlib
from pathlib import Path
from typing import Any, Final

from pipeline import strip
from pipeline.errors import SourceError
from stages.decoder.source import Decoded
from stages.decoder.sources.file import FileSource

_ADDRESS_SPACE: Final = 8 << 30
"""What must not be reached: the kernel ends the process before the machine suffers."""


def main() -> None:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        print(json.dumps(read(Path(line.rstrip("\n")))), flush=True)  # noqa: T201


def read(path: Path) -> dict[str, Any]:
    """Return what the frames of a recording are, and what it took."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before_mb, began_s = _peak_mb(), time.monotonic()
    frames: list[tuple[float, str | None, int | None]] = []
    error, digest = None, 0
    try:
        for frame in FileSource(path=path).build().frames():
            shown, digest = _seen(frame, digest)
            frames.append((round(frame.pts_s, 6), frame.error, shown))
    except SourceError as failure:
        error = str(failure)
    took_s = time.monotonic() - began_s
    return {"frames": frames, "error": error, "digest": digest, "took_s": took_s, "mb": _peak_mb() - before_mb}


def _seen(frame: Decoded, digest: int) -> tuple[int | None, int]:
    """Return the number that a frame shows, if it can be read, and the checksum of all pictures up to it."""
    if frame.error:
        return None, zlib.crc32(frame.error.encode(), digest)
    picture = frame.scaled(min(frame.width, 640), min(frame.height, 360))
    return strip.read(picture), zlib.crc32(picture.tobytes(), digest)


def _peak_mb() -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
