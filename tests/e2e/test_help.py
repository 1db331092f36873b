"""What the command line says of itself, and how little it loads for that."""

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.e2e.command import detstream, environment

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
    assert "run" in ended.out and "stage" in ended.out


@pytest.mark.parametrize("command", ["run", "stage"])
def test_the_help_of_each_command_shows_an_example(command: str) -> None:
    ended = detstream(command, "--help")
    assert ended.code == 0
    assert re.search(rf"Example:.*detstream {command} ", ended.out)


def test_the_help_names_all_options_of_a_run() -> None:
    options = "output config model engine detectors conf iou classes no-video json force"
    out = detstream("run", "--help").out
    assert all(f"--{option}" in out for option in options.split())


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["stage", "--help"], ["--version"]])
def test_nothing_heavy_is_loaded_to_help(arguments: list[str]) -> None:
    code = LOADED.replace("ARGUMENTS", repr(arguments))
    done = subprocess.run([sys.executable, "-c", code], env=environment({}), capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_a_wrong_option_is_wrong_usage() -> None:
    ended = detstream("run", "--no-such-option")
    assert ended.code == 2
    assert "No such option" in ended.err and "Traceback" not in ended.err
