"""Runs that are disturbed come out as undisturbed ones do; `python -m tests.crash` tries it by the hundred."""

import shutil
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from tests.crash.disk import lose_power
from tests.crash.judge import Reference, judged, reference_of
from tests.crash.material import write_all
from tests.crash.plan import Attempt, Kill, Plan, planned
from tests.crash.trial import tried, undisturbed

RECORDINGS: Final = ("twice.ts", "cut.mkv")
"""One whose clock begins anew in the middle, and one that ends early."""
SEED: Final = 5
_LINES: Final = 60.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_all(tmp_path_factory.mktemp("recordings"), None, RECORDINGS)


@pytest.fixture(scope="module")
def outputs(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return undisturbed(RECORDINGS, made, tmp_path_factory.mktemp("undisturbed") / "run")


@pytest.fixture(scope="module")
def reference(outputs: Path) -> Reference:
    return reference_of(outputs, 4.0)


def plan(*victims: str, own_broker: bool = True) -> Plan:
    """Return a run of which the last victim ends one attempt; then it is gone on with."""
    kills = tuple(Kill(victim, _LINES + 25 * place, lines=True) for place, victim in enumerate(victims))
    return Plan(0, RECORDINGS, "jsonl+video", 1, own_broker, (Attempt(kills, None),))


@pytest.mark.parametrize(
    "what",
    [
        plan("broker", "decoder", "everything"),
        plan("tracker", "annotator", "power", own_broker=False),
    ],
    ids=["broker, decoder, all", "tracker, annotator, power"],
)
def test_whoever_dies_the_same_command_goes_on_to_the_same_outputs(
    what: Plan, made: dict[str, Path], reference: Reference, tmp_path: Path
) -> None:
    outcome = tried(what, made, reference, tmp_path / "run")
    assert outcome.verdict.wrong == []
    assert outcome.verdict.frames == 2 * reference.frames  # of lines, and of pictures


def test_so_it_does_at_moments_that_nobody_has_chosen(
    made: dict[str, Path], reference: Reference, tmp_path: Path
) -> None:
    outcome = tried(planned(SEED, [RECORDINGS], {RECORDINGS: 4.0}), made, reference, tmp_path / "run")
    assert outcome.verdict.wrong == []


def test_a_missing_a_doubled_and_a_displaced_line_are_told(outputs: Path, reference: Reference, tmp_path: Path) -> None:
    output = Path(shutil.copytree(outputs, tmp_path / "out"))
    assert judged(output, "jsonl+video", reference).wrong == []
    path = output / "twice.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:9], lines[11], lines[10], lines[10], *lines[12:]]))
    verdict = judged(output, "jsonl+video", reference)
    assert (verdict.missing, verdict.doubled, verdict.disordered) == (1, 1, 1)
    assert verdict.differing > 0 and verdict.wrong


def test_a_disk_without_power_keeps_what_was_promised_and_may_lose_the_rest(tmp_path: Path) -> None:
    notes, output = tmp_path / "notes", tmp_path / "out"
    notes.mkdir()
    output.mkdir()
    path = output / "gate.jsonl"
    path.write_bytes(b"promised, not promised")
    (notes / "notes").write_text(f'{{"op": "fsync", "inode": {path.stat().st_ino}, "size": 8}}\n')
    lost = [lose_power(notes, output, np.random.default_rng(2))]
    assert path.read_bytes().startswith(b"promised")
    assert lost != [[]] and path.read_bytes() != b"promised, not promised"
    assert lose_power(notes, output, np.random.default_rng(2)) == []
