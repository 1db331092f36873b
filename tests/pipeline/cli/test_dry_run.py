"""A dry run says what would be done, and does nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from tests.stages.decoder.videos import make, steady


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two recordings in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    make(tmp_path / "in/a.mp4", steady(50))
    make(tmp_path / "in/b.mp4", steady(25))
    return tmp_path


def dry(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["run", *arguments, "--dry-run", "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_it_says_what_there_is_and_what_would_be_written(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    code, found = dry("in", "--output", "out", "--format", "jsonl,coco")
    a, b = found["sources"]
    assert (code, found["frames"], found["unreadable"]) == (0, 75, 0)
    assert (a["source"], a["codec"], a["width"], a["height"], a["fps"], a["frames"]) == ("a", "h264", 64, 48, 25, 50)
    assert (b["duration_s"], b["size"]) == (1, (folder / "in/b.mp4").stat().st_size)
    assert a["files"] == ["out/a.jsonl", "out/a.coco.json"]
    assert sorted(folder.rglob("*")) == before


def test_it_counts_the_frames_that_would_be_looked_at(folder: Path) -> None:
    code, found = dry("in", "--fps", "5", "--from", "0.5")
    assert code == 0
    assert [(item["frames"], item["fps"]) for item in found["sources"]] == [(8, 5), (2, 5)]


def test_a_folder_that_is_joined_is_one(folder: Path) -> None:
    _, found = dry("in", "--join", "--every", "5")
    (source,) = found["sources"]
    assert source["source"] == "in"
    assert source["frames"] == pytest.approx(15, abs=3)  # by the files' sizes


def test_what_can_not_be_read_is_said_with_the_reason(folder: Path) -> None:
    (folder / "in/c.mp4").write_bytes(b"no video")
    code, found = dry("in", "sim://street?seed=1")
    assert (code, found["unreadable"]) == (1, 1)
    assert "can't be opened as a video" in found["sources"][2]["error"]
    assert found["sources"][3]["path"] == "sim://street?seed=1"
    done = CliRunner().invoke(app, ["run", "in", "--dry-run"])
    assert "c: in/c.mp4 can't be opened as a video" in done.stdout
    assert "3 sources, 1 of them can't be read, about 75 frames; nothing was written" in done.stdout


def test_a_wrong_time_is_one_line(folder: Path) -> None:
    done = CliRunner().invoke(app, ["run", "in", "--dry-run", "--from", "5x"])
    assert done.exit_code != 0
    assert str(done.exception or done.output).strip() == "'5x' is no time in a recording: write 00:10:00, 2:05.5 or 90s"
