"""Time from typing `detstream run` to the first line of JSONL on disk.

    python -m benchmarks.startup --model demo

Warm: as on a second run. Cold: no converted model, and, where the system lets this user drop its page cache, no file of
Python's or the libraries' in memory either.
"""

import argparse
import os
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.clip import make_clip
from benchmarks.command import Timing, detstream, timed_run
from benchmarks.report import save, show, spread

_FRAMES: Final = 40
_HELP_RUNS: Final = 5


def main() -> None:
    """Measure, print a table, write JSON."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="detstream-bench-") as name:
        folder = Path(name)
        clip = folder / "clip.mp4"
        make_clip(options.clip, clip, _FRAMES)
        _run(clip, folder, options.model, folder / "cache")  # makes the files that later runs find
        warm = [_run(clip, folder, options.model, folder / "cache") for _ in range(options.rounds)]
        dropped, cold = False, []
        for number in range(options.cold):
            dropped = _drop_page_cache()
            cold.append(_run(clip, folder, options.model, folder / f"cache-{number}"))
    rows = {"warm, first line": spread([run.first_line_s for run in warm])}
    rows["warm, whole command"] = spread([run.command_s for run in warm])
    if cold:
        rows["cold, first line"] = spread([run.first_line_s for run in cold])
    rows["detstream --help"] = spread([_seconds(detstream("--help")) for _ in range(_HELP_RUNS)])
    if not options.no_demo:
        rows["the whole demo"] = spread([_demo(options.clip)])
    show(f"seconds, model {options.model}, {_FRAMES} frames", rows)
    result: dict[str, Any] = {"benchmark": "startup", "model": options.model, "page_cache_dropped": dropped}
    save(options.json, {**result, "seconds": rows})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--rounds", type=int, default=5, help="warm starts")
    parser.add_argument("--cold", type=int, default=2, help="cold starts")
    parser.add_argument("--no-demo", action="store_true", help="leave out the whole demo clip")
    parser.add_argument("--clip", type=Path, default=Path("demo/car-park.mp4"))
    parser.add_argument("--json", type=Path, default=Path("out/benchmarks/startup.json"))
    return parser.parse_args()


def _run(clip: Path, folder: Path, model: str, cache: Path) -> Timing:
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({"detector": {"engine": {"kind": "openvino", "cache_dir": str(cache)}}}))
    return timed_run(clip, _FRAMES, folder / "out", ("--config", str(config), "--model", model))


def _demo(clip: Path) -> float:
    with tempfile.TemporaryDirectory(prefix="detstream-bench-") as folder:
        return _seconds(detstream("run", str(clip), "--output", folder, "--force"))


def _seconds(command: list[str]) -> float:
    begun_s = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - begun_s


def _drop_page_cache() -> bool:
    os.sync()
    with suppress(OSError):
        Path("/proc/sys/vm/drop_caches").write_text("1")
        return True
    return False


if __name__ == "__main__":
    main()
