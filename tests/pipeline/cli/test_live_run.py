"""How long a run takes, how it is found by commands beside it, and what it tells the decoders."""

import json
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.live_run import RUN_FOLDER, RunNote, notes, seconds, tell_decoders, write_note
from pipeline.errors import ConfigError
from pipeline.registry import Registry
from pipeline.seal import Seal
from stages.decoder.settings import DecoderSettings
from tests.fakes import MemoryBroker

KEY = "any long text will do"


@pytest.mark.parametrize(
    ("text", "duration_s"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("2d", 172_800), (" 1h ", 3600), ("0.5", 0.5)],
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, duration_s: float) -> None:
    assert seconds(text) == duration_s


@pytest.mark.parametrize("text", ["", "0", "0.0h", "h", "-5", "1w", "1 h", "1e3", "nan", "inf", "1h30m", "5M"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no duration: write 90s, 10m, 1\.5h or 2d") as caught:
        seconds(text)
    assert repr(text) in str(caught.value)


@given(st.integers(1, 10**6), st.sampled_from(["", "s", "m", "h", "d"]))
def test_a_unit_is_a_multiple_of_a_second(number: int, unit: str) -> None:
    assert seconds(f"{number}{unit}") == number * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]


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
