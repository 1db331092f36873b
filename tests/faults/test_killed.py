"""SIGKILL in mid-run: of a stage, which changes nothing, and of the run, which leaves nothing running."""

import os
import re
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from tests.clips import marks, times
from tests.e2e.command import Running, children, detstream, exists, wait_for
from tests.e2e.fixtures import FRAMES, Material, Reference
from tests.e2e.outputs import check_accounts, count, manifest, source_in

STAGES: Final = ("decoder", "detector", "tracker", "annotator")
ENOUGH: Final = FRAMES // 6
"""Lines after which a run is in its middle: its window is half of the frames."""

LATE: Final = FRAMES - FRAMES // 4
"""Lines after which the decoder has come to the end."""
NOISE: Final = 50
"""Most grey levels between the means of a square in two encodings of the same picture."""


@pytest.fixture
def rings() -> Iterator[Path]:
    """A folder in shared memory for the pixels of one test."""
    with tempfile.TemporaryDirectory(prefix="detstream-test-", dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize(("stage", "after"), [*((stage, ENOUGH) for stage in STAGES), ("annotator", LATE)])
def test_a_killed_stage_costs_nothing(
    stage: str, after: int, reference: Reference, material: Material, rings: Path, tmp_path: Path
) -> None:
    arguments = ("run", material.clip, "--model", material.model, "--output", tmp_path)
    with Running(*arguments, env={"DETSTREAM_RING_FOLDER": rings}) as run:
        run.until(lambda: count(tmp_path) >= after, "some lines")
        os.kill(run.stages()[stage], signal.SIGKILL)
        written = count(tmp_path)
        ended = run.wait()
    assert after <= written < FRAMES
    assert ended.code == 0, ended.err
    assert re.search(rf"{stage}-1: died, starting again .*code=-9", ended.err)
    assert (tmp_path / "clip.jsonl").read_bytes() == (reference.folder / "clip.jsonl").read_bytes()
    _check_same_video(tmp_path / "clip.mp4", reference.folder / "clip.mp4")
    assert source_in(manifest(tmp_path))["status"] == "ok"
    check_accounts(manifest(tmp_path), tmp_path)
    assert not list(rings.iterdir())


def test_all_stages_killed_at_once_cost_nothing(
    reference: Reference, material: Material, rings: Path, tmp_path: Path
) -> None:
    arguments = ("run", material.clip, "--model", material.model, "--output", tmp_path, "--detectors", "2")
    with Running(*arguments, env={"DETSTREAM_RING_FOLDER": rings}) as run:
        run.until(lambda: count(tmp_path) >= ENOUGH, "some lines")
        for pid in run.stages().values():
            os.kill(pid, signal.SIGKILL)
        ended = run.wait()
    assert ended.code == 0, ended.err
    assert ended.err.count("died, starting again") >= len(STAGES)
    assert (tmp_path / "clip.jsonl").read_bytes() == (reference.folder / "clip.jsonl").read_bytes()
    _check_same_video(tmp_path / "clip.mp4", reference.folder / "clip.mp4")


def test_a_killed_run_takes_everything_with_it(
    material: Material, rings: Path, temporary: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    arguments = ("run", material.clip, "--model", material.model, "--output", output, "--no-video")
    environment = {"DETSTREAM_RING_FOLDER": rings, "TMPDIR": temporary}
    with Running(*arguments, env=environment) as run:
        run.until(lambda: count(output) >= ENOUGH, "some lines")
        started = children(run.pid)
        assert len(started) == 1 + len(STAGES)  # and the broker
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    wait_for(lambda: not any(exists(pid) for pid in started), "the end of all processes")
    assert [path.suffix for path in rings.iterdir()] == [".ring"]
    again = detstream(*arguments, "--force", env=environment)
    assert again.code == 0, again.err
    assert not list(rings.iterdir())
    check_accounts(manifest(output), output)


def _check_same_video(ours: Path, theirs: Path) -> None:
    """See that two videos show the same frames at the same times."""
    assert times(ours) == times(theirs)
    # The neighbour's number would be another by 200 in a square. Labels over it are the same in both.
    assert np.abs(marks(ours) - marks(theirs)).max() < NOISE
