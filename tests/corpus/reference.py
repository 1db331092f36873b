"""What ffprobe counts."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_DEADLINE_S: Final = 60


@dataclass(frozen=True)
class Probed:
    """A decoded frame, as ffprobe sees it."""

    pts_s: float | None
    best_s: float | None
    """FFmpeg's best guess, from the times of presentation or of decoding."""
    width: int
    height: int


def is_installed() -> bool:
    """Return whether there is something to compare with."""
    return shutil.which("ffprobe") is not None


@cache
def version() -> str:
    """Return the version of ffprobe."""
    done = subprocess.run(["ffprobe", "-version"], capture_output=True, text=True, check=True, timeout=_DEADLINE_S)
    return done.stdout.split()[2]


def probed(path: Path, stream: int) -> list[Probed]:
    """Return the frames of a stream; what ffprobe can't decode is not among them."""
    entries = "frame=pts_time,best_effort_timestamp_time,width,height"
    command = ["ffprobe", "-v", "quiet", "-select_streams", str(stream), "-show_entries", entries, "-of", "json"]
    done = subprocess.run([*command, f"file:{path}"], capture_output=True, text=True, check=False, timeout=_DEADLINE_S)
    frames = json.loads(done.stdout or "{}").get("frames", [])
    return [
        Probed(_seconds(f.get("pts_time")), _seconds(f.get("best_effort_timestamp_time")), f["width"], f["height"])
        for f in frames
    ]


def _seconds(text: str | None) -> float | None:
    return None if text in {None, "N/A"} else float(str(text))
