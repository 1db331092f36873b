"""A stage's process is started again when it dies, but not when that is of no use."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StageError
from pipeline.process import CRASHED, HOPELESS, WRONG_SETTINGS
from pipeline.supervisor.child import Child
from tests.pipeline.broker_steps import wait_for
from tests.pipeline.supervisor.small_stages import ENDS, STAYS, STUBBORN, complains, lives, write_stage


@dataclass
class Nursery:
    folder: Path
    children: list[Child] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    config: Path = Path()

    def start(self, code: str) -> Child:
        write_stage(self.folder, "small", code)
        child = Child("small", "small-1", self.config, lambda line: self.lines.append(dict(line)))
        self.children.append(child)
        child.start()
        return child

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]


@pytest.fixture
def nursery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nursery]:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("DETSTREAM_FLOW__WINDOW", "3")
    made = Nursery(tmp_path, config=tmp_path / "config.yaml")
    yield made
    for child in made.children:
        child.stop(0)


def ended(child: Child) -> Callable[[], bool]:
    return lambda: child.watch(0)


def test_a_process_that_did_its_work_is_done(nursery: Nursery) -> None:
    child = nursery.start(ENDS)
    wait_for(ended(child))
    assert child.watch(0) and child.pid is None
    assert [name for _, name in lives(nursery.config)] == ["small-1"]


def test_a_killed_process_is_started_again_under_its_name_after_a_pause(nursery: Nursery) -> None:
    child = nursery.start(STAYS)
    wait_for(lambda: len(lives(nursery.config)) == 1)
    first = child.pid
    assert first == lives(nursery.config)[0][0]
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: child.watch(0) or len(lives(nursery.config)) == 2)
    assert child.pid not in (None, first)
    assert [name for _, name in lives(nursery.config)] == ["small-1"] * 2
    (warning,) = [line for line in nursery.lines if line["event"] == "died, starting again"]
    assert (warning["level"], warning["name"], warning["code"]) == ("warning", "small-1", -signal.SIGKILL)


@pytest.mark.parametrize("code", [WRONG_SETTINGS, HOPELESS])
def test_a_process_that_gave_up_is_not_started_again_and_its_last_complaint_is_told(
    code: int, nursery: Nursery
) -> None:
    complaints = [json.dumps({"level": level, "event": "failed", "error": level}) for level in ("error", "info")]
    child = nursery.start(complains(code, *complaints))
    with pytest.raises(StageError, match=r"^error$") as caught:
        wait_for(ended(child))
    assert caught.value.code == code
    assert len(lives(nursery.config)) == 1


def test_one_that_gave_up_without_a_word_is_named(nursery: Nursery) -> None:
    child = nursery.start(complains(HOPELESS))
    with pytest.raises(StageError, match="small-1 gave up"):
        wait_for(ended(child))


def test_what_is_no_log_line_is_forwarded_as_one(nursery: Nursery) -> None:
    child = nursery.start(complains(0, "Segmentation fault", '["a list"]', "12", '{"event": "ready", "level": "info"}'))
    wait_for(ended(child))
    child.stop(1)
    assert nursery.events() == ["Segmentation fault", '["a list"]', "12", "ready"]
    assert {line["name"] for line in nursery.lines} == {"small-1"}
    assert [line["level"] for line in nursery.lines] == ["warning", "warning", "warning", "info"]


def test_one_that_dies_without_getting_on_is_given_up(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.supervisor.child._MOST_RESTARTS", 2)
    crash = json.dumps({"level": "error", "event": "crashed", "error": "KeyError: 'x'"})
    child = nursery.start(complains(CRASHED, crash))
    with pytest.raises(StageError, match="small-1 died 3 times without getting on: KeyError: 'x'") as caught:
        wait_for(ended(child))
    assert caught.value.code == HOPELESS
    pauses = [line["pause_s"] for line in nursery.lines if "pause_s" in line]
    assert pauses == sorted(pauses) and pauses[-1] > pauses[0]


def test_one_that_gets_on_between_its_deaths_is_started_as_often_as_it_takes(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.supervisor.child._MOST_RESTARTS", 1)
    child = nursery.start(complains(CRASHED))
    wait_for(lambda: child.watch(len(lives(nursery.config))) or len(lives(nursery.config)) >= 5)
    assert max(line["pause_s"] for line in nursery.lines if "pause_s" in line) <= 0.2


def test_a_process_is_asked_to_stop_and_ended_if_it_does_not(nursery: Nursery) -> None:
    child = nursery.start(STUBBORN)
    wait_for(lambda: lives(nursery.config))
    child.stop(0.05)
    assert child.pid is None
    child.stop(0)


def test_one_that_is_stopped_while_it_is_dead_stays_so(nursery: Nursery) -> None:
    child = nursery.start(complains(CRASHED))
    wait_for(lambda: child.watch(0) or "died, starting again" in nursery.events())
    child.stop(0)
    assert child.pid is None


def test_a_process_dies_with_the_thread_that_started_it(nursery: Nursery) -> None:
    write_stage(nursery.folder, "small", STAYS)
    child = Child("small", "small-1", nursery.config, lambda line: None)
    nursery.children.append(child)
    waiting = threading.Event()

    def own() -> None:
        child.start()
        waiting.wait()

    owner = threading.Thread(target=own)
    owner.start()
    wait_for(lambda: lives(nursery.config))
    waiting.set()
    owner.join()
    wait_for(lambda: child.pid is None)


def test_it_sees_none_of_our_variables_but_its_name(nursery: Nursery) -> None:
    code = "import os, sys\nsys.stderr.write(str(sorted(n for n in os.environ if n.startswith('DETSTREAM_'))))\n"
    child = nursery.start(code)
    wait_for(ended(child))
    child.stop(1)
    assert nursery.events() == ["['DETSTREAM_NAME']"]
