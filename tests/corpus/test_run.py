"""A folder of good and damaged recordings: the damaged ones are told of, the others are complete."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.corpus import damage, damaged, formats
from tests.corpus.encoding import FRAMES
from tests.e2e.command import Ended, detstream
from tests.e2e.outputs import check_accounts, lines, manifest, source_in

GOOD: Final = {
    "b-h264.mp4": FRAMES,
    "again.ts": 2 * FRAMES,
    "plain-av1.webm": FRAMES,
    "turned-90.mp4": FRAMES,
    "resized-h264.ts": FRAMES,
}
IN_PART: Final = {"noise": "b-hevc.mkv", "keyframe": "b-h264.avi", "bits": "open-h264.mp4"}
LOST: Final[dict[str, tuple[str, Callable[[Path], object], str]]] = {
    "empty": ("b-h264.mp4", partial(damage.cut, share=0), "is empty"),
    "unindexed": ("b-h264.mp4", damage.unindexed, "can't be opened as a video"),
    "cut": ("b-h264.mkv", partial(damage.cut, share=0.6), "ends early"),
}
SETTINGS: Final = """
detector: {model: demo, engine: {kind: "null", objects: 2}}
annotator: {sinks: [{kind: video, preset: ultrafast}]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, settings, and the outputs of a run."""
    folder = tmp_path_factory.mktemp("run")
    recordings = folder / "recordings"
    recordings.mkdir()
    known = {recording.name: recording for recording in formats.recordings()}
    for name in GOOD:
        known[name].make(recordings / name)
    for what, (name, spoil) in _spoilt().items():
        path = recordings / f"{what}{Path(name).suffix}"
        known[name].make(path)
        spoil(path)
    (folder / "settings.yaml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module")
def ended(folder: Path) -> Ended:
    settings = ("--config", folder / "settings.yaml", "--format", "jsonl,mp4")
    return detstream("run", folder / "recordings", "--output", folder / "out", *settings, "--json")


def test_each_recording_has_its_account(folder: Path, ended: Ended) -> None:
    assert ended.code == 1 and "Traceback" not in ended.err
    written = manifest(folder / "out")
    assert written == json.loads(ended.out)
    check_accounts(written, folder / "out")
    assert len(written["sources"]) == len(GOOD) + len(IN_PART) + len(LOST)


@pytest.mark.parametrize("name", GOOD)
def test_good_recordings_are_complete(folder: Path, ended: Ended, name: str) -> None:
    source = source_in(manifest(folder / "out"), Path(name).stem)
    assert (source["status"], source["frames"], source["failed"]) == ("ok", GOOD[name], 0)


@pytest.mark.parametrize("what", IN_PART)
def test_a_damaged_group_is_failed_lines_with_a_reason(folder: Path, ended: Ended, what: str) -> None:
    source = source_in(manifest(folder / "out"), what)
    assert (source["status"], source["frames"]) == ("ok", FRAMES)
    failed = [line for line in lines(folder / "out", what) if line["status"] == "failed"]
    assert failed and {line["seq"] for line in failed} <= damaged.lost(IN_PART[what])
    assert all(line["error"].startswith("can't be decoded (") for line in failed)


@pytest.mark.parametrize("what", LOST)
def test_a_lost_recording_is_reported_with_its_reason(folder: Path, ended: Ended, what: str) -> None:
    source = source_in(manifest(folder / "out"), what)
    assert source["status"] == "failed" and LOST[what][2] in source["error"]
    assert source["frames"] == 0 if what != "cut" else 0 < source["frames"] < FRAMES


def test_what_was_written_is_proved(folder: Path, ended: Ended) -> None:
    proved = detstream("verify", folder / "out", "--decode")
    assert "every frame once, in order, as it was written" in proved.out + proved.err


def _spoilt() -> dict[str, tuple[str, Callable[[Path], object]]]:
    """Return by name which recording is spoilt, and how."""
    lost = {what: (name, spoil) for what, (name, spoil, _) in LOST.items()}
    for what, name in IN_PART.items():
        lost[what] = (name, partial(damage.spoiled, group=damaged.GROUP, spoil=damaged.SPOILS[what]))
    return lost
