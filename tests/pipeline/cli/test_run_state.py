"""A run is only gone on with if it is the same, and nothing of an earlier one is lost unasked."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.run_state import STATE_FOLDER, Asked, RunState
from pipeline.errors import ConfigError, SinkError

ASKED = Asked(
    {"gate": {"path": "gate.mp4", "bytes": 9}, "yard": {"path": "yard.mp4", "bytes": 9}},
    {"detector": {"conf": 0.5, "engine": {"kind": "torch"}}},
    "f00d",
)


def begin(folder: Path, asked: Asked = ASKED, *outputs: Path, resume: bool = False, force: bool = False) -> RunState:
    state = RunState(folder)
    state.begin(asked, outputs, resume=resume, force=force)
    return state


def refused(*arguments: Any, **how: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        begin(*arguments, **how)
    return str(caught.value)


def done(folder: Path, source: str) -> None:
    (folder / STATE_FOLDER / f"{source}.json").write_text(json.dumps({"source": source, "frames": 7}))


def test_a_run_begins_and_ends(tmp_path: Path) -> None:
    state = begin(tmp_path)
    assert list(state.records()) == []
    assert RunState(tmp_path).unfinished
    state.finish()
    assert list(tmp_path.iterdir()) == []


def test_killed_while_it_is_removed_it_is_there_or_not_but_never_a_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = begin(tmp_path)
    done(tmp_path, "gate")
    monkeypatch.setattr(shutil, "rmtree", lambda path, ignore_errors: None)
    state.finish()
    monkeypatch.undo()
    assert not (tmp_path / STATE_FOLDER).exists() and not state.unfinished
    begin(tmp_path).finish()
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_run_is_recognised_and_the_message_says_what_to_type(tmp_path: Path) -> None:
    begin(tmp_path)
    done(tmp_path, "gate")
    said = refused(tmp_path)
    assert said == (
        f"{tmp_path} holds an unfinished run (1 of 2 recordings done): go on with it with --resume, or start over with"
        " --force"
    )


def test_it_is_gone_on_with_and_knows_what_is_done(tmp_path: Path) -> None:
    begin(tmp_path)
    done(tmp_path, "gate")
    state = begin(tmp_path, resume=True)
    assert [record["source"] for record in state.records()] == ["gate"]


def test_a_finished_run_has_nothing_left_to_go_on_with(tmp_path: Path) -> None:
    begin(tmp_path).finish()
    (tmp_path / "manifest.json").write_text("{}")
    said = refused(tmp_path, resume=True)
    assert said == f"{tmp_path} holds a finished run: nothing is left to do; --force starts over"
    begin(tmp_path, resume=True, force=True)


def test_a_record_that_was_cut_counts_as_none(tmp_path: Path) -> None:
    state = begin(tmp_path)
    done(tmp_path, "gate")
    (tmp_path / STATE_FOLDER / "yard.json").write_text('{"source": "ya')
    assert [record["source"] for record in state.records()] == ["gate"]


@pytest.mark.parametrize(
    ("asked", "difference"),
    [
        (replace(ASKED, sources={"gate": ASKED.sources["gate"]}), "the source yard is missing"),
        (replace(ASKED, sources={**ASKED.sources, "hall": {"path": "x"}}), "the source hall is new"),
        (
            replace(ASKED, sources={**ASKED.sources, "gate": {"path": "gate.mp4", "bytes": 8}}),
            "the recording of gate is not the same as then (gate.mp4)",
        ),
        (
            replace(ASKED, settings={"detector": {"conf": 0.4, "engine": {"kind": "torch"}}}),
            "detector.conf was 0.5, is 0.4",
        ),
        (
            replace(ASKED, settings={"detector": {"conf": 0.5, "engine": {"kind": "openvino"}}}),
            "detector.engine.kind was 'torch', is 'openvino'",
        ),
        (replace(ASKED, model_sha256="beef"), "the model's weights are not the same as then"),
    ],
)
def test_another_run_is_not_mixed_into_it(tmp_path: Path, asked: Asked, difference: str) -> None:
    begin(tmp_path)
    assert f"but not of this: {difference}; ask for the same" in refused(tmp_path, asked, resume=True)
    assert RunState(tmp_path).unfinished


def test_outputs_that_exist_are_only_overwritten_by_force(tmp_path: Path) -> None:
    output = tmp_path / "gate.jsonl"
    output.write_text("precious")
    assert refused(tmp_path, ASKED, output) == f"{output} exists: choose another --output, or overwrite it with --force"
    assert output.read_text() == "precious"
    begin(tmp_path, ASKED, output, force=True)
    assert not output.exists()


def test_by_force_an_unfinished_run_is_begun_anew(tmp_path: Path) -> None:
    begin(tmp_path)
    done(tmp_path, "gate")
    state = begin(tmp_path, replace(ASKED, model_sha256="beef"), force=True)
    assert list(state.records()) == []
    assert refused(tmp_path, ASKED, resume=True).count("weights are not the same")


def test_to_resume_where_nothing_is_begins(tmp_path: Path) -> None:
    assert begin(tmp_path, resume=True).unfinished


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"v": 1', "is damaged"), ('{"v": 1}', "is damaged"), ('{"v": 9}', "is of another version of detstream")],
)
def test_a_state_that_can_not_be_understood_says_how_to_start_over(tmp_path: Path, content: str, said: str) -> None:
    begin(tmp_path)
    (file,) = (tmp_path / STATE_FOLDER).iterdir()
    file.write_text(content)
    message = refused(tmp_path, resume=True)
    assert said in message and message.endswith("start over with --force")


def test_a_folder_that_can_not_be_written_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="can't be written: Not a directory"):
        begin(tmp_path / "file")


def test_of_a_watched_folder_nobody_knows_how_many_there_will_be(tmp_path: Path) -> None:
    asked = replace(ASKED, sources={})
    begin(tmp_path, asked)
    done(tmp_path, "gate")
    assert "holds an unfinished run (1 recordings done)" in refused(tmp_path, asked)
