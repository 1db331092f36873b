"""A user's function is called with each item; its errors are told, and hold nothing up that they need not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError
from stages.annotator.sinks.python import PythonSink
from tests.stages.annotator.couriers.parcels import event_parcel, frame_parcel
from tests.stages.annotator.sinks.sending import sending

CODE = """
got, tries = [], []

def keep(item):
    got.append(item)

def picky(item):
    tries.append(item["seq"])
    if item["seq"] == 1:
        raise KeyError("what is this")
    if tries.count(2) in (1, 2) and item["seq"] == 2:
        raise ConnectionError("the mail server is away")
    got.append(item)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "my_alarm.py").write_text(CODE)
    (tmp_path / "my_broken.py").write_text("import nothing_like_that")
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    yield tmp_path
    __import__("sys").modules.pop("my_alarm", None)


def called() -> Any:
    return __import__("my_alarm")


def test_it_is_called_with_a_map(folder: Path) -> None:
    with sending(PythonSink(call="my_alarm:keep", path=folder)) as sender:
        sender.send(frame_parcel(0), event_parcel(1))
    frame, event = called().got
    assert (frame["type"], frame["seq"], len(frame["detections"])) == ("frame", 0, 2)
    assert (event["type"], event["id"], event["zone"]) == ("event", "gate/1-0", "yard")


def test_what_it_refuses_is_buried_and_what_it_can_not_reach_is_tried_again(folder: Path) -> None:
    with sending(PythonSink(call="my_alarm:picky", path=folder)) as sender:
        sender.send(*(frame_parcel(seq) for seq in range(4)))
        ((parcel, reason),) = sender.buried
    assert parcel.seq == 1 and "KeyError: 'what is this' (my_alarm.py, line 10)" in reason
    assert called().tries == [0, 1, 2, 2, 2, 3] and [item["seq"] for item in called().got] == [0, 2, 3]


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("my_alarm:nobody", "my_alarm has no function nobody"),
        ("my_missing:keep", "my_missing can't be imported: ModuleNotFoundError"),
        ("my_broken:keep", "my_broken can't be imported: ModuleNotFoundError: No module named 'nothing_like_that'"),
    ],
)
def test_a_function_that_is_not_there_is_told_at_once(folder: Path, call: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        PythonSink(call=call, path=folder).connector(folder)


def test_a_call_needs_its_form() -> None:
    with pytest.raises(ValidationError, match="pattern"):
        PythonSink(call="just_a_name")
