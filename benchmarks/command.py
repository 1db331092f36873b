"""`detstream run` as a person types it, timed from outside."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_POLL_S: Final = 0.01
_WARM_UP: Final = 10
"""The steady state begins after one frame in so many."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What a run took."""

    command_s: float
    """From the start of the command to its end."""
    first_line_s: float
    """From the start of the command to the first line of JSONL on disk."""
    steady_fps: float
    """From the line after a tenth of the frames to the finished video."""
    manifest: Mapping[str, Any]

    @property
    def manifest_fps(self) -> float:
        """Frames per second by the manifest, which counts from the decoder's start to the finished outputs."""
        return float(self.manifest["sources"][0]["fps"])


def detstream(*arguments: str) -> list[str]:
    """Return the command line of the `detstream` that belongs to this Python."""
    return [str(Path(sys.executable).parent / "detstream"), *arguments]


def timed_run(
    clip: Path, frames: int, output: Path, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Timing:
    """Run a clip of known length through the whole pipeline, into a new folder, and return what it took."""
    shutil.rmtree(output, ignore_errors=True)
    command = detstream("run", f"clip={clip}", "--output", str(output), *arguments)
    lines = _Lines(output / "clip.jsonl")
    video = output / "clip.mp4"
    with (output.parent / f"{output.name}.log").open("w+b") as log:
        begun_s = time.monotonic()
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
        )
        finished_s = 0.0
        while process.poll() is None:
            lines.look()
            if not finished_s and video.exists():
                finished_s = time.monotonic()
            time.sleep(_POLL_S)
        ended_s = time.monotonic()
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{log.read().decode(errors='replace')}")
    lines.look()
    first, steady = lines.since(1), lines.since(frames // _WARM_UP)
    return Timing(
        command_s=ended_s - begun_s,
        first_line_s=first[1] - begun_s,
        steady_fps=(frames - steady[0]) / ((finished_s or ended_s) - steady[1]),
        manifest=json.loads((output / "manifest.json").read_text()),
    )


class _Lines:
    """How many lines a file had when."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = self._count = 0
        self._seen: list[tuple[int, float]] = []

    def look(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                added = file.read()
        except FileNotFoundError:
            return
        if added:
            self._read += len(added)
            self._count += added.count(b"\n")
            self._seen.append((self._count, time.monotonic()))

    def since(self, count: int) -> tuple[int, float]:
        """Return the first look that saw at least `count` lines: lines, time."""
        return next(look for look in self._seen if look[0] >= count)
