"""A watched folder: recordings are taken as they become complete, also those that came while nobody watched."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clips import write_clip
from tests.e2e.command import Running, detstream
from tests.e2e.outputs import lines

FRAMES = 30


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES)


@pytest.fixture(scope="module")
def hasty(quick: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings for files that are complete when they have rested for a moment."""
    path = tmp_path_factory.mktemp("hasty") / "settings.yaml"
    path.write_text(quick.read_text() + "decoder: {watch: {settle_s: 0.3}}\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The watched folder."""
    path = tmp_path_factory.mktemp("watched") / "in"
    path.mkdir()
    return path


def watching(folder: Path, config: Path, *options: str) -> Running:
    wanted = ("--every", "3", "--hash", "--json", *options)
    return Running("run", "--watch", folder, "--config", config, "--output", folder.parent / "out", *wanted)


def finished(folder: Path) -> set[str]:
    return {path.stem for path in (folder.parent / "out/.detstream").glob("*.json")} - {"run", "_run"}


def ended(running: Running) -> dict[str, Any]:
    running.signal(signal.SIGINT)
    over = running.wait()
    assert over.code == 0, over.err
    found: dict[str, Any] = json.loads(over.out)
    return {source["source"]: source for source in found["sources"]}


@pytest.fixture(scope="module")
def watched(folder: Path, hasty: Path, clip: Path) -> Iterator[dict[str, Any]]:
    """What became of a recording that was there, and of one that grew before the watcher's eyes."""
    (folder / "gate").mkdir()
    shutil.copy(clip, folder / "gate/old.mp4")
    with watching(folder, hasty) as running, (folder / "new.mp4").open("wb") as growing:
        content = clip.read_bytes()
        growing.write(content[: len(content) // 2])
        growing.flush()
        running.until(lambda: finished(folder) == {"gate-old"}, "the one that is complete")
        growing.write(content[len(content) // 2 :])
        growing.flush()
        running.until(lambda: finished(folder) == {"gate-old", "new"}, "the one that has become complete")
        yield ended(running)


def test_recordings_are_taken_when_they_are_complete(watched: dict[str, Any], folder: Path) -> None:
    assert {name: (source["status"], source["frames"]) for name, source in watched.items()} == {
        "gate-old": ("ok", FRAMES // 3),
        "new": ("ok", FRAMES // 3),
    }
    assert watched["new"]["sha256"] == watched["gate-old"]["sha256"]
    assert [line["seq"] for line in lines(folder.parent / "out", "new")] == list(range(FRAMES // 3))
    proved = detstream("verify", folder.parent / "out", "--decode")
    assert proved.code == 0, proved.out


@pytest.mark.usefixtures("watched")
def test_what_came_meanwhile_is_taken_when_it_is_gone_on_with(folder: Path, hasty: Path, clip: Path) -> None:
    shutil.copy(clip, folder / "later.mp4")
    refused = watching(folder, hasty).wait()
    assert refused.code != 0 and "(2 recordings done): go on with it with --resume" in refused.complaint()
    with watching(folder, hasty, "--resume") as running:
        running.until(lambda: finished(folder) == {"gate-old", "later", "new"}, "the one that came meanwhile")
        found = ended(running)
    assert {name: source["status"] for name, source in found.items()} == dict.fromkeys(finished(folder), "ok")
