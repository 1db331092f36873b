"""A run is only gone on with if it is the same, and nothing of an earlier one is lost unasked."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.asked import Asked
from pipeline.cli.run_state import STATE_FOLDER, RunState
from pipeline.errors import ConfigError, SinkError

ASKED = Asked(
    {"gate": {"path": "gate.mp4", "bytes": 9}, "yard": {"path": "yard.mp4", "bytes": 9}},
    {"detector": {"conf": 0.5, "engine": {"kind": "torch"}}, "outputs": {"jsonl": {}}},
    "f00d",
)


def begin(folder: Path, asked: Asked = ASKED, *outputs: Path, resume: bool = False, force: bool = False) -> RunState:
    state = RunState(folder)
    assert state.begin(asked, {"hall": outputs}, resume=resume, force=force), "something is left to do"
    return state


def refused(*arguments: Any, **how: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        begin(*arguments, **how)
    return str(caught.value)


def done(folder: Path, source: str) -> None:
    (folder / STATE_FOLDER / f"{source}.json").write_text(json.dumps({"source": source, "status": "ok", "frames": 7}))


def test_a_run_begins_and_ends(tmp_path: Path) -> None:
    state = begin(tmp_path)
    assert list(state.records()) == []
    assert RunState(tmp_path).unfinished
    state.finish()
    assert list(tmp_path.iterdir()) == []


def test_it_is_over_when_all_that_was_asked_for_is_done(tmp_path: Path) -> None:
    found = [RunState(tmp_path).over]  # nothing was asked for
    begin(tmp_path)
    for name in ASKED.sources:
        done(tmp_path, name)
        found.append(RunState(tmp_path).over)
    watching = {**ASKED.settings, "watch": {"folders": ["incoming"]}}
    begin(tmp_path, replace(ASKED, sources={}, settings=watching), force=True)
    assert [*found, RunState(tmp_path).over] == [True, False, True, False]


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


def finished(folder: Path) -> None:
    state = begin(folder)
    records = [{"source": name, "status": "ok", "checks": {}} for name in ASKED.sources]
    manifest = {"asked": state.asked, "sources": [*records, {"source": "camera"}]}
    state.finish()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_finished_run_has_nothing_left_to_go_on_with(tmp_path: Path) -> None:
    finished(tmp_path)
    state = RunState(tmp_path)
    assert not state.begin(ASKED, {"gate": [tmp_path / "manifest.json"]}, resume=True, force=False)
    assert not state.unfinished and [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    assert [source["source"] for source in state.finished()["sources"]] == ["gate", "yard", "camera"]
    begin(tmp_path, resume=True, force=True)


def test_cameras_alone_do_not_take_the_place_of_recordings(tmp_path: Path) -> None:
    RunState(tmp_path).spare()
    begin(tmp_path)
    with pytest.raises(ConfigError, match="holds a run of recordings: choose another --output for the cameras"):
        RunState(tmp_path).spare()
    begin(tmp_path, force=True).finish()
    (tmp_path / "manifest.json").write_text('{"sources": []}')  # of a run of cameras
    RunState(tmp_path).spare()
    (tmp_path / "manifest.json").unlink()
    finished(tmp_path)
    with pytest.raises(ConfigError, match="holds a run of recordings"):
        RunState(tmp_path).spare()


def test_a_finished_run_is_gone_on_with_by_its_cameras(tmp_path: Path) -> None:
    finished(tmp_path)
    state = RunState(tmp_path)
    assert state.begin(ASKED, {}, resume=True, force=False, live=True) and state.over
    assert [record["source"] for record in state.records()] == ["gate", "yard"]


def test_a_finished_run_is_gone_on_with_by_what_is_new(tmp_path: Path) -> None:
    finished(tmp_path)
    hall = {"path": "hall.mp4", "bytes": 9}
    rotated = replace(ASKED, sources={"yard": ASKED.sources["yard"], "hall": hall})  # gate was deleted since
    state = begin(tmp_path, rotated, resume=True)
    assert [record["source"] for record in state.records()] == ["gate", "yard"]
    assert state.asked["sources"] == {**ASKED.sources, "hall": hall}
    begin(tmp_path, rotated, resume=True)  # killed, and once more


def test_a_run_that_was_cut_short_and_has_lost_its_state_is_not_taken_for_finished(tmp_path: Path) -> None:
    finished(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest["sources"][1]["checks"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    said = refused(tmp_path, resume=True)
    assert "holds a run that was cut short, and not what is needed to go on with yard (.detstream/)" in said


def failed(folder: Path, source: str, recording: dict[str, Any] | None, frames: int = 0) -> None:
    record = {"source": source, "status": "failed", "recording": recording, "frames": frames}
    (folder / STATE_FOLDER / f"{source}.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("then", "seen", "now", "again"),
    [
        (8, 8, 9, True),
        (9, 8, 9, True),  # killed while it was forgotten: it is asked for already
        (9, 9, 9, False),
        (0, None, 9, True),  # it was not there
        (9, None, 9, False),  # a folder that is one recording
        (None, None, None, True),  # of a server, that may be up again
    ],
)
def test_what_failed_and_may_be_well_now_is_done_anew(
    tmp_path: Path, then: int | None, seen: int | None, now: int | None, again: bool
) -> None:
    def asked(size: int | None) -> Asked:
        return replace(ASKED, sources={**ASKED.sources, "hall": {"path": "h", "bytes": size, "changed_ns": size}})

    begin(tmp_path, asked(then))
    failed(tmp_path, "hall", None if seen is None else {"path": "h", "bytes": seen, "changed_ns": seen})
    done(tmp_path, "hall.2")
    files = [tmp_path / "hall.jsonl", tmp_path / STATE_FOLDER / "hall.tracks"]
    for path in files:
        path.touch()
    state = begin(tmp_path, asked(now), files[0], resume=True)
    assert [record["source"] for record in state.records()] == ["hall.2"] + ["hall"] * (not again)
    assert [path.exists() for path in files] == [not again] * 2
    assert state.asked["sources"]["hall"]["bytes"] == now


def test_what_would_be_overwritten_by_a_new_source_is_left(tmp_path: Path) -> None:
    finished(tmp_path)
    output = tmp_path / "hall.jsonl"
    output.write_text("precious")
    asked = replace(ASKED, sources={**ASKED.sources, "hall": {"path": "hall.mp4", "bytes": 9}})
    wanted = f"{output} exists, and is not of this run: move it away, or start over with --force"
    assert refused(tmp_path, asked, output, resume=True) == wanted
    assert not (tmp_path / STATE_FOLDER).exists()
    assert output.read_text() == "precious"


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("{", "is damaged (Expecting property name"),
        ("[1]", "is damaged (cannot convert"),
        ('{"sources": []}', "is of another version of detstream"),
        ('{"sources": [], "asked": {"v": 0}}', "is of another version of detstream"),
        ('{"sources": [], "asked": {"v": 1}}', "is damaged ('sources')"),
    ],
)
def test_a_finished_run_that_nobody_understands_is_left(tmp_path: Path, manifest: str, said: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    assert refused(tmp_path, resume=True).startswith(f"{tmp_path / 'manifest.json'} {said}")
    assert (tmp_path / "manifest.json").read_text() == manifest


def test_a_record_that_was_cut_counts_as_none(tmp_path: Path) -> None:
    state = begin(tmp_path)
    done(tmp_path, "gate")
    (tmp_path / STATE_FOLDER / "yard.json").write_text('{"source": "ya')
    assert [record["source"] for record in state.records()] == ["gate"]


@pytest.mark.parametrize(
    ("asked", "difference"),
    [
        (replace(ASKED, sources={"gate": ASKED.sources["gate"]}), "the source yard is missing"),
        (
            replace(ASKED, sources={**ASKED.sources, "cam2-gate": ASKED.sources["gate"]}),
            "the source gate is called cam2-gate now (gate.mp4)",
        ),
        (
            replace(ASKED, sources={**ASKED.sources, "gate": {"path": "gate.mp4", "bytes": 8}}),
            "the recording of gate is not the same as then (gate.mp4)",
        ),
        (
            replace(ASKED, settings={**ASKED.settings, "detector": {"conf": 0.4, "engine": {"kind": "torch"}}}),
            "detector.conf was 0.5, is 0.4",
        ),
        (
            replace(ASKED, settings={**ASKED.settings, "detector": {"conf": 0.5, "engine": {"kind": "openvino"}}}),
            "detector.engine.kind was 'torch', is 'openvino'",
        ),
        (
            replace(ASKED, settings={**ASKED.settings, "outputs": {"jsonl": {}, "coco": {}}}),
            "outputs were jsonl, are coco, jsonl",
        ),
        (
            replace(ASKED, settings={"detector": {"conf": 0.5}, "outputs": {"jsonl": {}}}),
            "detector.engine.kind was 'torch', is None",
        ),
        (replace(ASKED, model_sha256="beef"), "the model's weights are not the same as then"),
    ],
)
def test_another_run_is_not_mixed_into_it(tmp_path: Path, asked: Asked, difference: str) -> None:
    begin(tmp_path)
    assert f"but not of this: {difference}; ask for the same" in refused(tmp_path, asked, resume=True)
    assert RunState(tmp_path).unfinished


def test_what_a_server_gave_before_it_failed_is_kept(tmp_path: Path) -> None:
    asked = replace(ASKED, sources={"hall": {"path": "https://host/hall.mp4", "bytes": None, "changed_ns": None}})
    begin(tmp_path, asked)
    failed(tmp_path, "hall", None, frames=900)
    output = tmp_path / "hall.jsonl"
    output.write_text("900 lines")
    state = begin(tmp_path, asked, output, resume=True)
    assert state.over and output.read_text() == "900 lines"


def test_an_unfinished_run_takes_what_is_new_and_misses_nothing_that_is_done(tmp_path: Path) -> None:
    begin(tmp_path)
    done(tmp_path, "gate")
    others = {"yard": ASKED.sources["yard"], "hall": {"path": "hall.mp4", "bytes": 9}}
    assert [*begin(tmp_path, replace(ASKED, sources=others), resume=True).asked["sources"]] == ["gate", "yard", "hall"]


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
