"""How long a run takes, how it is found by commands beside it, and what it tells the decoders."""

import json
import os
import stat
import tempfile
from pathlib import Path

import pytest

from pipeline.cli.live_run import RUN_FOLDER, RunNote, notes, tell_decoders, write_note
from pipeline.registry import Registry
from pipeline.seal import Seal
from stages.decoder.settings import DecoderSettings
from tests.fakes import MemoryBroker

KEY = "any long text will do"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folders of runs are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def run_folder(runs: Path, name: str = "a") -> Path:
    folder = runs / f"{RUN_FOLDER}{name}"
    folder.mkdir()
    return folder


def test_a_run_is_found_by_its_note_which_nobody_else_may_read(runs: Path) -> None:
    folder = run_folder(runs)
    write_note(folder, "unix:///tmp/redis", KEY)
    assert notes() == [RunNote(os.getpid(), "unix:///tmp/redis", KEY)]
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_run_that_is_gone_is_not_found(runs: Path) -> None:
    note = {"pid": 2**22 + 1, "url": "redis://x", "secret_key": KEY}  # above the kernel's most
    (run_folder(runs) / "run.json").write_text(json.dumps(note))
    assert notes() == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"pid": 1}', '{"pid": 1, "url": "", "secret_key": "", "more": 1}']
)
def test_a_note_that_is_just_being_written_is_none(runs: Path, text: str) -> None:
    (run_folder(runs) / "run.json").write_text(text)
    run_folder(runs, "b")
    assert notes() == []


def test_another_users_note_is_not_believed(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_note(run_folder(runs), "redis://evil", KEY)
    monkeypatch.setattr(os, "getuid", lambda: runs.stat().st_uid + 1)
    assert notes() == []


def test_what_a_run_was_told_to_look_at_is_wished_for() -> None:
    broker, seal = MemoryBroker(), Seal(KEY)
    sources = [
        {"name": "gate", "source": {"kind": "camera", "url": "rtsp://joe:s3cret@cam1/a", "fps": 5}},
        {"name": "clip", "source": {"kind": "file", "path": "clip.mp4"}},
    ]
    tell_decoders(broker, DecoderSettings.model_validate({"sources": sources}), seal)
    (wish,) = Registry(broker).read().values()
    assert (wish.name, wish.shown, dict(wish.settings)) == ("gate", "rtsp://cam1/a", {"fps": 5.0})
    assert seal.open(wish.url) == "rtsp://joe:s3cret@cam1/a"
    assert "s3cret" not in repr(broker.hashes)
