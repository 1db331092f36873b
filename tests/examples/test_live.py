"""Programs that follow a live camera: in three lines, in Node.js, by redis-cli, on the command line."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from pipeline.cli.live_run import notes
from tests.e2e.command import DETSTREAM, Running, detstream
from tests.examples.conftest import CONSUMERS
from tests.rtsp.camera_server import CameraServer, need_gstreamer


class Program:
    """A program whose lines are read while it runs."""

    def __init__(self, *command: str | Path, folder: Path = CONSUMERS) -> None:
        options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": folder}
        # A shell lets what it runs in the background ignore Ctrl-C, and all below it.
        self.process = subprocess.Popen(["env", "--default-signal=INT", *map(str, command)], **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def lines(self, count: int) -> list[str]:
        """Return the next lines, empty ones if it has ended."""
        assert self.process.stdout is not None
        return [self.process.stdout.readline().rstrip() for _ in range(count)]

    def until(self, condition: Callable[[str], bool]) -> str:
        """Return the first line for which the condition holds."""
        while not condition(line := self.lines(1)[0]):
            assert line, self.process.communicate()[1]
        return line


def test_a_live_camera_is_followed_by_whoever_wants_to(tmp_path: Path, node_folder: Path) -> None:
    need_gstreamer()
    config = tmp_path / "quick.yaml"
    config.write_text(yaml.safe_dump({"detector": {"engine": {"kind": "null", "objects": 2}}}))
    with CameraServer() as camera:
        arguments = ("--config", config, "--output", tmp_path / "out", "--no-video")
        with Running("run", f"gate={camera.url()}", *arguments) as run:
            run.until(lambda: [note for note in notes() if note.pid == run.pid], "the broker")
            url = next(note.url for note in notes() if note.pid == run.pid)
            with Program(sys.executable, "-u", "three_lines.py", url) as three:
                assert three.until(lambda line: line.startswith("gate 20")).count("person") == 1
            with Program("node", "follow.mjs", url, "gate", folder=node_folder) as node:
                first, *_ = node.lines(3)
                assert " #" in first and "person:" in first
            assert by_time(url, first.split()[0])
            replayed(run)
            followed(run, camera)


def by_time(url: str, at_s: str) -> list[str]:
    """Return the IDs of the entries in the second after a time, as redis-cli prints them."""
    begin = int(float(at_s) * 1000)
    command = [
        "redis-cli",
        "-s",
        url.removeprefix("unix://"),
        "XRANGE",
        "detections:gate",
        str(begin),
        str(begin + 999),
    ]
    printed = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout
    return [line for line in printed.splitlines() if line.startswith(str(begin)[:9])]


def replayed(run: Running) -> None:
    ended = detstream("subscribe", "ga*", "--run", str(run.pid), "--since", "-1s", "--until", "now")
    frames = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.code == 0 and [one["source"] for one in frames if one["type"] == "frame"]
    command = f"{shlex.quote(str(DETSTREAM))} subscribe --run {run.pid} | head -1; echo ${{PIPESTATUS[0]}}"
    piped = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert piped.stdout.splitlines()[-1] == "0" and piped.stderr == ""


def followed(run: Running, camera: CameraServer) -> None:
    """Follow the camera on the command line while it goes away: no camera is not no car."""
    with Program(DETSTREAM, "subscribe", "gate", "--run", str(run.pid), "--format", "table") as shown:
        assert "gate" in shown.until(lambda line: "person" in line)
        camera.kill()
        shown.until(lambda line: "is reconnecting" in line or "is stalled" in line)
        shown.process.send_signal(signal.SIGINT)
        _, said = shown.process.communicate(timeout=30)
        assert (shown.process.returncode, said) == (130, "detstream: stopped\n")
