"""A stage's process ends with a code that says whether starting it again is of use."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from pipeline.errors import ConfigError, SinkError
from pipeline.process import CRASHED, HOPELESS, WRONG_SETTINGS, run_stage
from pipeline.settings import KernelSettings
from pipeline.signals import stop_on_signals


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def raising(error: Exception) -> Callable[[KernelSettings, threading.Event], None]:
    def body(settings: KernelSettings, stop: threading.Event) -> None:
        raise error

    return body


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().err.splitlines()[-1])
    return found


def test_a_stage_that_did_its_work_ends_with_nothing() -> None:
    seen = []
    assert run_stage("tracker", KernelSettings, None, lambda settings, stop: seen.append(settings.log_level)) == 0
    assert seen == ["info"]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("no such class"), WRONG_SETTINGS, "no such class"),
        (SinkError("disk full"), HOPELESS, "disk full"),
        (KeyError("x"), CRASHED, "KeyError: 'x'"),
    ],
)
def test_the_code_says_what_kind_of_error_it_was_and_the_last_line_which(
    error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage("tracker", KernelSettings, None, raising(error)) == code
    line = last_line(capsys)
    assert (line["stage"], line["level"], line["error"]) == ("tracker", "error", said)
    assert ("Traceback" in line.get("exception", "")) == (code == CRASHED)


def test_wrong_settings_start_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("nmae: x")
    assert run_stage("tracker", KernelSettings, file, raising(AssertionError("started"))) == WRONG_SETTINGS
    assert last_line(capsys)["error"].startswith(f"{file}: nmae: no such key")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop_and_a_second_one_acts_as_usual(number: signal.Signals) -> None:
    stop = stop_on_signals()
    assert not stop.is_set()
    os.kill(os.getpid(), number)
    assert stop.wait(5)
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_stage_is_told_to_stop_by_its_event() -> None:
    def body(settings: KernelSettings, stop: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)

    assert run_stage("tracker", KernelSettings, None, body) == 0
