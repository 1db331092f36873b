"""Cameras that flap and cameras that come and go, for a long time: whether anything grows.

    python -m benchmarks.soak --minutes 20

Eight cameras under the real command: five steady, two behind a network that resets them every 20 s, one that is removed
each minute while another is added. Needs GStreamer's RTSP server, as the tests do.
"""

import argparse
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.command import detstream
from benchmarks.processes import descendants, memory_bytes, open_files, stage_of, threads
from benchmarks.report import save
from pipeline.cli.live_run import notes
from tests.rtsp.camera_server import CameraServer
from tests.rtsp.proxy import FaultyProxy

_STEADY: Final = 5
_FLAP_S: Final = 20.0
_TURN_S: Final = 60.0
_SETTLE_S: Final = 90.0
"""Before the first look: models, codecs and caches are loaded, and the outputs' first segments are there."""
_SIM: Final = "sim://street?fps=15&size=640x360&objects=4&codec=h264"


@dataclass(frozen=True, slots=True)
class Look:
    """What a run holds at one moment."""

    at_s: float
    memory_mb: dict[str, float]
    """By stage; the run itself is `run`, its broker `valkey-server`."""
    files: int
    threads: int
    rings_mb: float

    @property
    def row(self) -> list[str]:
        stages = [self.memory_mb.get(name, 0.0) for name in _STAGES]
        megabytes = [f"{number:.0f}" for number in (sum(self.memory_mb.values()), *stages, self.rings_mb)]
        return [f"{self.at_s / 60:.1f}", *megabytes, str(self.files), str(self.threads)]


_STAGES: Final = ("run", "valkey-server", "decoder", "detector", "tracker", "annotator")


def main() -> None:
    """Run, look at the start, in the middle and at the end, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--json", type=Path, default=Path("out/benchmarks/soak.json"))
    options = parser.parse_args()
    looks = _soaked(options.minutes * 60)
    table = Table(box=None, header_style="bold")
    for heading in ("minute", "MB", *_STAGES, "rings", "files", "threads"):
        table.add_column(heading, justify="right")
    for look in looks:
        table.add_row(*look.row)
    Console(width=160).print(table)
    save(options.json, {"benchmark": "soak", "minutes": options.minutes, "looks": [_plain(look) for look in looks]})


def _plain(look: Look) -> dict[str, Any]:
    return {name: getattr(look, name) for name in Look.__slots__}


def _soaked(seconds: float) -> list[Look]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="detstream-bench-")))
        server = stack.enter_context(CameraServer())
        proxies = [stack.enter_context(FaultyProxy(server.port)) for _ in range(2)]
        run = stack.enter_context(_running(folder, proxies))
        stack.enter_context(_disturbed(run.pid, proxies))
        begun_s, looks = time.monotonic(), []
        every_s = max((seconds - _SETTLE_S) / 8, 5.0)
        due_s = _SETTLE_S
        while due_s <= seconds:
            time.sleep(max(begun_s + due_s - time.monotonic(), 0.0))
            assert run.poll() is None, (folder / "log").read_text()[-2000:]
            looks.append(_look(run.pid, folder / "rings", time.monotonic() - begun_s))
            due_s += every_s
    return looks


@contextmanager
def _running(folder: Path, proxies: list[FaultyProxy]) -> "Iterator[subprocess.Popen[bytes]]":
    cameras = {f"steady-{n}": f"{_SIM}&seed={n}" for n in range(_STEADY)} | {"turn-0": f"{_SIM}&seed=99"}
    cameras |= {f"flap-{n}": f"rtsp://127.0.0.1:{proxy.port}/gate" for n, proxy in enumerate(proxies)}
    sources = [
        {"name": name, "source": {"kind": "camera", "url": url, "fps": 5, "read_s": 5, "stall_s": 5}}
        for name, url in cameras.items()
    ]
    values = {
        "decoder": {"sources": sources},
        "detector": {"engine": {"kind": "null", "objects": 4}},
        "annotator": {"segment_s": 60},
        "flow": {"retain": 300},
        "ring_folder": str(folder / "rings"),
        "memory_mb": 1024,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    command = detstream("run", "--config", str(folder / "config.yaml"), "--output", str(folder / "out"))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


@contextmanager
def _disturbed(pid: int, proxies: list[FaultyProxy]) -> Iterator[None]:
    over = threading.Event()
    workers = [threading.Thread(target=_flap, args=(proxies, over)), threading.Thread(target=_turn, args=(pid, over))]
    for worker in workers:
        worker.start()
    yield
    over.set()
    for worker in workers:
        worker.join()


def _flap(proxies: list[FaultyProxy], over: threading.Event) -> None:
    while not over.wait(_FLAP_S):
        for mode in ("reset", "pass"):
            for proxy in proxies:
                proxy.mode = "reset" if mode == "reset" else "pass"
            over.wait(0.1)


def _turn(pid: int, over: threading.Event) -> None:
    number = 0
    while not over.wait(_TURN_S):
        if not any(note.pid == pid for note in notes()):
            continue
        for arguments in (
            ("remove", f"turn-{number}"),
            ("add", f"turn-{number + 1}={_SIM}&seed={number}", "--fps", "5"),
        ):
            subprocess.run(detstream("sources", *arguments, "--run", str(pid)), capture_output=True, check=False)
        number += 1


def _look(pid: int, rings: Path, at_s: float) -> Look:
    pids = [pid, *descendants(pid)]
    memory: dict[str, float] = {}
    for each in pids:
        memory[stage_of(each)] = memory.get(stage_of(each), 0.0) + memory_bytes(each) / 2**20
    size = sum(path.stat().st_size for path in rings.iterdir()) / 2**20 if rings.is_dir() else 0.0
    return Look(at_s, memory, sum(map(open_files, pids)), sum(map(threads, pids)), size)


if __name__ == "__main__":
    main()
