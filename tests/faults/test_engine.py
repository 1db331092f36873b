"""Engines that don't start, fail, fall silent or take their process with them: nothing hangs, and a line says why."""

import json
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.command import Ended, detstream
from tests.e2e.fixtures import FRAMES, Material
from tests.e2e.outputs import check_accounts, lines, manifest, source_in

INJECT: Final = Path(__file__).parent / "inject"
LATER: Final = 4
"""The submit at which an engine that has worked fails."""
IN_A_ROW: Final = 8
ILLEGAL: Final = "CUDA error: an illegal memory access was encountered"


@pytest.fixture(scope="module")
def untroubled(material: Material, quick: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The lines of a run whose engine works."""
    output = tmp_path_factory.mktemp("untroubled")
    ended = detstream("run", material.clip, "--config", quick, "--output", output)
    assert ended.code == 0, ended.err
    return (output / "clip.jsonl").read_bytes()


def run(fault: str, at: int, clip: Path, config: Path, folder: Path, **settings: str) -> Ended:
    """Run with a null engine that has a fault."""
    environment: dict[str, str | Path] = {
        "PYTHONPATH": INJECT,
        "FAULT": fault,
        "FAULT_AT": str(at),
        "FAULT_MARK": folder / "happened",
    }
    named = {f"DETSTREAM_DETECTOR__{name.upper()}": value for name, value in settings.items()}
    return detstream("run", clip, "--config", config, "--output", folder / "out", env=environment | named)


@pytest.mark.parametrize(
    ("fault", "told"),
    [("silent", "no answer of null within 0.5 s"), ("crash", "code=-11")],
)
def test_an_engine_that_dies_in_mid_run_costs_nothing(
    fault: str, told: str, material: Material, quick: Path, untroubled: bytes, tmp_path: Path
) -> None:
    ended = run(fault, LATER, material.clip, quick, tmp_path, timeout_s="0.5")
    assert ended.code == 0, ended.err
    assert (tmp_path / "happened").exists()
    assert told in ended.err and "detector-1: died, starting again" in ended.err and "Traceback" not in ended.err
    assert (tmp_path / "out" / "clip.jsonl").read_bytes() == untroubled


def test_frames_that_an_engine_fails_at_are_failed_and_the_run_goes_on(
    material: Material, quick: Path, untroubled: bytes, tmp_path: Path
) -> None:
    ended = run("some", LATER, material.clip, quick, tmp_path)
    failed = _check_failed(ended, untroubled, tmp_path)
    assert 0 < failed <= 3 and "starting again" not in ended.err


def test_an_engine_that_begins_to_fail_at_everything_is_started_again(
    material: Material, quick: Path, untroubled: bytes, tmp_path: Path
) -> None:
    ended = run("dead", LATER, material.clip, quick, tmp_path)
    assert _check_failed(ended, untroubled, tmp_path) == IN_A_ROW
    assert f"engine died error=the engine failed at {IN_A_ROW} frames in a row: {ILLEGAL}" in ended.err
    assert "detector-1: died, starting again" in ended.err


def test_an_engine_that_never_works_ends_the_run_with_one_line(material: Material, quick: Path, tmp_path: Path) -> None:
    ended = run("dead", 1, material.clip, quick, tmp_path)
    assert ended.code == 1
    assert ended.complaint() == f"the engine failed at {IN_A_ROW} frames in a row: {ILLEGAL}"


def test_an_engine_that_cannot_be_built_ends_the_run_with_one_line(
    material: Material, quick: Path, tmp_path: Path
) -> None:
    ended = run("unbuilt", 1, material.clip, quick, tmp_path)
    assert ended.code == 1
    assert ended.complaint() == "no engine: the device has not enough memory"
    assert "starting again" not in ended.err


def test_a_cache_that_cannot_be_written_ends_the_run_with_one_line(material: Material, tmp_path: Path) -> None:
    """No fault injected: OpenVINO has to convert the model, and can't keep it."""
    (tmp_path / "file").touch()
    config = tmp_path / "settings.yaml"
    config.write_text(f"detector: {{engine: {{kind: openvino, cache_dir: {tmp_path / 'file'}}}}}\n")
    arguments = ("--model", material.model, "--config", config, "--output", tmp_path / "out", "--no-video")
    ended = detstream("run", material.clip, *arguments)
    assert ended.code == 1
    assert str(tmp_path / "file") in ended.complaint()


def _check_failed(ended: Ended, untroubled: bytes, folder: Path) -> int:
    """See that all frames are there, some as failed with the reason and the others as ever; return how many failed."""
    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err
    check_accounts(manifest(folder / "out"), folder / "out")
    found = lines(folder / "out")
    assert len(found) == FRAMES
    for line, ever in zip(found, map(json.loads, untroubled.splitlines()), strict=True):
        if line["status"] == "failed":
            assert line["error"] == f"engine failed: {ILLEGAL}" and line["detections"] == []
        else:
            assert [item["xyxy"] for item in line["detections"]] == [item["xyxy"] for item in ever["detections"]]
    return int(source_in(manifest(folder / "out"))["failed"])
