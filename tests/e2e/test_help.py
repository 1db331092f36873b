"""What the command line says of itself, and how little it loads for that."""

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.e2e.command import detstream, environment

COMMANDS = ("run", "stage", "verify", "predict", "info", "val", "export", "weights")
LOADED = """
import sys
from typer.testing import CliRunner
from pipeline.cli.main import app
result = CliRunner().invoke(app, ARGUMENTS)
assert result.exit_code == 0, result.output
print([name for name in ("av", "cv2", "numpy", "openvino", "redis", "supervision", "torch") if name in sys.modules])
"""


def test_the_version_is_that_of_the_package() -> None:
    ended = detstream("--version")
    assert (ended.code, ended.out, ended.err) == (0, f"detstream {version('detstream')}\n", "")


def test_the_help_names_the_commands() -> None:
    ended = detstream("--help")
    assert ended.code == 0
    listed = [line.strip("│ ").split(" ")[0] for line in ended.out.partition("Commands")[2].splitlines()]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "weights"])
def test_the_help_of_each_command_shows_an_example(command: str) -> None:
    ended = detstream(command, "--help")
    assert ended.code == 0
    assert re.search(rf"Example:.*detstream {command} ", ended.out)


def test_the_help_of_the_weights_names_what_can_be_done_with_them() -> None:
    out = detstream("weights", "--help").out
    assert all(command in out for command in ("list", "fetch", "path"))


def test_the_help_names_all_options_of_a_run() -> None:
    options = "output config model engine imgsz half int8 detectors conf iou names classes format no-video json force"
    out = detstream("run", "--help").out
    assert all(f"--{option}" in out for option in options.split())


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], *([command, "--help"] for command in COMMANDS)])
def test_nothing_heavy_is_loaded_to_help(arguments: list[str]) -> None:
    code = LOADED.replace("ARGUMENTS", repr(arguments))
    done = subprocess.run([sys.executable, "-c", code], env=environment({}), capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_a_wrong_option_is_wrong_usage() -> None:
    ended = detstream("run", "--no-such-option")
    assert ended.code == 2
    assert "No such option" in ended.err and "Traceback" not in ended.err
