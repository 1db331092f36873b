"""What becomes of speed with more recordings, and of memory with longer ones."""

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

import av
import yaml
from av.video.stream import VideoStream
from rich.console import Console
from rich.table import Table

from benchmarks.clip import make_clip
from benchmarks.command import detstream
from benchmarks.processes import descendants, memory_bytes

_LOOK_S: Final = 0.25
_SMALL: Final = (256, 144)
_SMALL_FRAMES: Final = 250
_MB: Final = 1_000_000


@dataclass(slots=True)
class _Watched:
    """What was seen of a run from outside."""

    took_s: float = 0.0
    memory: list[int] = field(default_factory=list)
    """Of all its processes together at each look, bytes."""
    manifest: Mapping[str, Any] = field(default_factory=dict)


def scaling(clip: Path, counts: Sequence[int], frames: int, rounds: int) -> dict[str, Any]:
    """Return frames per second with so many recordings that together have as many frames, alternating."""
    with tempfile.TemporaryDirectory(prefix="detstream-bench-") as name:
        folder = Path(name)
        for count in counts:
            (folder / f"in{count}").mkdir()
            for number in range(count):
                make_clip(clip, folder / f"in{count}/{number:02}.mp4", frames // count)
        fps: dict[int, list[float]] = {count: [] for count in counts}
        for _ in range(rounds):
            for count in counts:
                seen = _watched(folder / f"in{count}", folder)
                fps[count].append(_between(seen.manifest, frames))
                print(f"{count:3} recordings: {fps[count][-1]:7.1f} fps", flush=True)
    rows = [
        (str(count), f"{median(values):.0f}", f"{median(values) / median(fps[counts[0]]):.2f}")
        for count, values in fps.items()
    ]
    _show("frames per second of all, null engine, with video", ("recordings", "fps", "of one"), rows)
    return {str(count): values for count, values in fps.items()}


def memory(minutes: Sequence[int], fps: float) -> dict[str, Any]:
    """Return the memory of all processes of a run, by the length of the recording."""
    result, rows = {}, []
    with tempfile.TemporaryDirectory(prefix="detstream-bench-") as name:
        folder = Path(name)
        small = _small_clip(folder / "small.mp4", fps)
        for length in minutes:
            source = folder / f"{length}.mp4"
            make_clip(small, source, round(length * 60 * fps))
            seen = _watched(source, folder)
            steady = seen.memory[len(seen.memory) // 2 :]
            result[str(length)] = {
                "peak": max(seen.memory),
                "second_half": round(median(steady)),
                "took_s": seen.took_s,
            }
            rows.append(
                (f"{length}", f"{max(seen.memory) / _MB:.0f}", f"{median(steady) / _MB:.0f}", f"{seen.took_s:.0f}")
            )
            print(f"{length} minutes: {max(seen.memory) / _MB:.0f} MB", flush=True)
    _show("memory of all processes, null engine, with video", ("minutes", "peak MB", "2nd half MB", "s"), rows)
    return result


def _watched(source: Path, folder: Path) -> _Watched:
    config, output = folder / "config.yaml", folder / "out"
    config.write_text(yaml.safe_dump({"detector": {"engine": {"kind": "null"}}}))
    wanted = ("--config", str(config), "--output", str(output), "--force")
    seen, begun_s = _Watched(), time.monotonic()
    process = subprocess.Popen(
        detstream("run", str(source), *wanted), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    while process.poll() is None:
        with suppress(OSError, StopIteration):
            seen.memory.append(sum(map(memory_bytes, [process.pid, *descendants(process.pid)])))
        time.sleep(_LOOK_S)
    seen.took_s = round(time.monotonic() - begun_s, 1)
    if process.returncode:
        raise SystemExit(f"the run failed: {(process.stderr.read() if process.stderr else b'').decode()[-2000:]}")
    seen.manifest = json.loads((output / "manifest.json").read_text())
    return seen


def _between(manifest: Mapping[str, Any], frames: int) -> float:
    """Return the frames per second from the beginning of the first recording to the end of the last one."""
    sources = manifest["sources"]
    begun = min(datetime.fromisoformat(source["started"]) for source in sources)
    ended = max(datetime.fromisoformat(source["finished"]) for source in sources)
    return frames / (ended - begun).total_seconds()


def _small_clip(path: Path, fps: float) -> Path:
    """Encode a moving pattern, small so that an hour of it takes minutes."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=round(fps), options={"preset": "ultrafast", "g": "50"})
        assert isinstance(stream, VideoStream)
        (stream.width, stream.height), stream.pix_fmt = _SMALL, "yuv420p"
        for number in range(_SMALL_FRAMES):
            frame = av.VideoFrame(*_SMALL, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes((number * 3 + place) % 256 for place in range(plane.buffer_size)))
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _show(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(f"\n{title}", style="bold", soft_wrap=True)
    console.print(table)
