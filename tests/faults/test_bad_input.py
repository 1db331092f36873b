"""Recordings that are none, or damaged: an exit code, one clear line, and everything else goes on."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clips import times, write_clip, write_sound
from tests.e2e.command import Ended, detstream
from tests.e2e.fixtures import Material
from tests.e2e.outputs import check_accounts, lines, manifest, source_in

FRAMES: Final = 12
CUT: Final = 0.6


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("good") / "good.mp4", FRAMES)


def _empty(path: Path) -> None:
    path.touch()


def _text(path: Path) -> None:
    path.write_text("This is no video, whatever its name says.\n" * 50)


BROKEN: Final = {
    "empty": (_empty, "is empty"),
    "text": (_text, "can't be opened as a video"),
    "sound": (write_sound, "has no video stream"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_video_fails_alone(kind: str, good: Path, quick: Path, tmp_path: Path) -> None:
    make, reason = BROKEN[kind]
    bad, output = tmp_path / f"{kind}.mp4", tmp_path / "out"
    make(bad)
    ended = detstream("run", bad, good, "--config", quick, "--output", output, "--json")
    assert ended.code == 1
    _check_one_line(ended, kind, f"{bad} {reason}")
    written = json.loads(ended.out)
    check_accounts(written, output)
    failed = source_in(written, kind)
    assert (failed["status"], failed["frames"]) == ("failed", 0) and failed["error"].startswith(f"{bad} {reason}")
    assert source_in(written, "good")["status"] == "ok"
    assert len(lines(output, "good")) == FRAMES


def test_a_truncated_video_gives_its_frames_up_to_the_cut(good: Path, material: Material, tmp_path: Path) -> None:
    bad, output = write_clip(tmp_path / "cut.mp4", 60), tmp_path / "out"
    bad.write_bytes(bad.read_bytes()[: int(bad.stat().st_size * CUT)])
    ended = detstream("run", bad, good, "--model", material.model, "--output", output)
    assert ended.code == 1
    _check_one_line(ended, "cut", f"{bad} ends early")
    written = manifest(output)
    check_accounts(written, output)
    source = source_in(written, "cut")
    assert source["status"] == "failed" and f"{source['frames']} of 60 frames" in source["error"]
    assert 20 < source["frames"] < 60
    assert len(times(output / "cut.mp4")) == source["frames"]
    assert source_in(written, "good")["status"] == "ok"


def test_a_missing_file_is_wrong_usage(good: Path, tmp_path: Path) -> None:
    ended = detstream("run", good, tmp_path / "nowhere.mp4", "--output", tmp_path / "out")
    assert ended.code == 2
    assert ended.complaint() == f"{tmp_path / 'nowhere.mp4'} does not exist: check the path"
    assert not (tmp_path / "out").exists()


def _check_one_line(ended: Ended, source: str, reason: str) -> None:
    """See that the failure is said once, with the source's name."""
    said: list[Any] = [line for line in ended.err.splitlines() if reason in line]
    assert len(said) == 1, ended.err
    assert f" {source}: " in said[0]
    assert "Traceback" not in ended.err
