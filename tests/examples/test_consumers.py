"""Programs without detstream read the public streams: Python, Node.js and redis-cli."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from pipeline.embedded_broker import EmbeddedBroker
from pipeline.messages import EndOfSource
from pipeline.redis_broker import RedisBroker
from pipeline.wire import Wire
from tests.conftest import missing
from tests.examples.conftest import CONSUMERS
from tests.pipeline.client.publishing import NOW_S, frame, publish

PRINTED: Final = [
    "1700000000.000000 #0 car:None dog:1",
    "1700000000.100000 #1 the engine refused it",
    "1700000000.200000 #2",
    "end after 3 frames",
]


def said(command: Sequence[str | Path], folder: Path = CONSUMERS) -> list[str]:
    """Return the lines of a command that has to end well."""
    ended = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, timeout=60, text=True, errors="replace"
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@pytest.fixture(params=["msgpack", "json"])
def url(request: pytest.FixtureRequest, valkey: EmbeddedBroker, broker: RedisBroker) -> str:
    """A server with a source that has ended, whose bodies are of one kind or the other."""
    wire: Wire = request.param
    failed, none = frame("gate", 1, error="the engine refused it", classes=()), frame("gate", 2, classes=())
    publish(broker, frame("gate", 0), failed, none, EndOfSource("gate", 1, 3), wire=wire)
    return valkey.url


def test_python_reads_without_detstream(url: str) -> None:
    program = CONSUMERS / "follow.py"
    assert "detstream" not in "".join(line for line in program.read_text().splitlines() if "import" in line)
    assert said([sys.executable, program, url, "gate"]) == PRINTED
    assert said([sys.executable, program, url, "gate", "2"]) == PRINTED[:2]


def test_node_reads_the_same(url: str, node_folder: Path) -> None:
    printed = said(["node", "follow.mjs", url, "gate"], node_folder)
    assert [line.replace("null", "None") for line in printed] == PRINTED


def test_redis_cli_asks_by_time(url: str) -> None:
    if shutil.which("redis-cli") is None:
        missing("no redis-cli: apt-get install redis-tools")
    since, until = str(int(NOW_S * 1000) + 100), str(int(NOW_S * 1000) + 150)
    found = said(["redis-cli", "-s", url.removeprefix("unix://"), "XRANGE", "detections:gate", since, until])
    assert f"{since}-1" in found and "gate" in found
    assert any("the engine refused it" in line for line in found)
    assert not [line for line in found if "#2" in line or "end" in line]


def test_three_lines_are_enough(valkey: EmbeddedBroker, broker: RedisBroker) -> None:
    program = CONSUMERS / "three_lines.py"
    assert len([line for line in program.read_text().splitlines() if line and "sys" not in line][1:]) <= 3
    command = [sys.executable, "-u", str(program), valkey.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as running:
        assert running.stdout is not None
        while running.poll() is None:
            publish(broker, frame("gate", int(broker.increment("counted", "frames"))))
            if _readable(running.stdout.fileno()):
                assert running.stdout.readline().startswith("gate 2023-11-14 22:13:2")
                break
        running.kill()


def _readable(file: int) -> bool:
    return bool(select.select([file], [], [], 0.1)[0])
