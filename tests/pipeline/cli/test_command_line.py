"""What `ps` shows of a command has no secret in it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.broker_steps import wait_for

PROGRAM = (
    "import sys; from pipeline.cli.command_line import hide_secrets; hide_secrets(); print(1, flush=True); input()"
)
ROOT = Path(__file__).resolve().parents[3]


def listed(*arguments: str) -> list[str]:
    """Return the command line of a process that has hidden its secrets, as `ps` shows it, behind the program's text."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == b"1\n"
        shown: list[bytes] = []

        def whole() -> bool:
            shown[:] = [Path(f"/proc/{process.pid}/cmdline").read_bytes()]
            return bool(shown[0])

        wait_for(whole)
        process.communicate(b"\n")
    text = shown[0].rstrip(b"\0").replace(b"\0", b" ").decode()
    return text.partition("input()")[2].split()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("gate=rtsp://joe:s3cret@cam1/stream1?key=s3cret", "gate=rtsp://cam1/stream1"),
        ("rtsp://joe:s3=cret@cam1/stream1", "rtsp://cam1/stream1"),
        ("GATE=RTSPS://joe:s3cret@cam1", "GATE=rtsps://cam1"),
        ("a=http://cam1/mjpeg?pwd=s3cret", "a=http://cam1/mjpeg"),
        ("srt://cam1:9000?passphrase=s3cret", "srt://cam1:9000"),
    ],
)
def test_users_passwords_and_queries_are_taken_out(given: str, shown: str) -> None:
    assert listed("run", given, "--output", "out/") == ["run", shown, "--output", "out/"]


def test_what_is_no_secret_stays_as_it_is() -> None:
    arguments = ["run", "recordings/", "gate=clip.mp4", "sim://street?fps=25&seed=3", "--classes", "car"]
    assert listed(*arguments) == arguments
