"""Ctrl-C, which reaches the whole process group of a run as in a terminal, at any moment."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.clips import times
from tests.e2e.command import Running, catches, children, detstream, exists
from tests.e2e.fixtures import FRAMES, Material, Reference
from tests.e2e.outputs import count, lines, manifest, source_in

INTERRUPTED: Final = 130
LATE: Final = (INTERRUPTED, 0)

Moment = Callable[[Running, Path], object]
MOMENTS: Final[dict[str, Moment]] = {
    "while it loads": lambda run, output: catches(run.pid, signal.SIGTERM),  # Python itself leaves that one alone
    "at the first process": lambda run, output: children(run.pid),
    "at the first stage": lambda run, output: run.stages(),
    "at the first line": lambda run, output: count(output),
    "in the middle": lambda run, output: count(output) >= FRAMES // 2,
    "at the last line": lambda run, output: count(output) == FRAMES,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_run_keeps_what_it_has_done(
    moment: str, reference: Reference, material: Material, temporary: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    arguments = ("run", material.clip, "--model", material.model, "--output", output)
    with Running(*arguments, env={"TMPDIR": temporary, "DETSTREAM_RING_FOLDER": tmp_path / "rings"}) as run:
        run.until(lambda: MOMENTS[moment](run, output), moment)
        started = children(run.pid)
        run.signal(signal.SIGINT)
        ended = run.wait()
    assert "Traceback" not in ended.err
    assert ended.code in (LATE if moment == "at the last line" else (INTERRUPTED,))
    assert not any(exists(pid) for pid in started)
    assert not list(temporary.iterdir())
    assert not list((tmp_path / "rings").glob("*"))
    if moment != "while it loads":
        _check_outputs(output, reference, ended.code)


def test_what_was_stopped_can_be_run_again(reference: Reference, material: Material, tmp_path: Path) -> None:
    arguments = ("run", material.clip, "--model", material.model, "--output", tmp_path)
    with Running(*arguments) as run:
        run.until(lambda: count(tmp_path) > 0, "the first line")
        run.signal(signal.SIGTERM)
        assert run.wait().code == INTERRUPTED
    _check_outputs(tmp_path, reference, INTERRUPTED)
    again = detstream(*arguments, "--force")
    assert again.code == 0, again.err
    assert (tmp_path / "clip.jsonl").read_bytes() == (reference.folder / "clip.jsonl").read_bytes()
    assert times(tmp_path / "clip.mp4") == times(reference.folder / "clip.mp4")


def _check_outputs(output: Path, reference: Reference, code: int) -> None:
    """See that they are the beginning of what an undisturbed run gives, and that the manifest says so."""
    found = lines(output) if (output / "clip.jsonl").exists() else []
    assert found == lines(reference.folder)[: len(found)]
    assert source_in(manifest(output))["status"] == ("interrupted" if code == INTERRUPTED else "ok")
    if (output / "clip.mp4").exists():
        shown = times(output / "clip.mp4")
        assert shown == times(reference.folder / "clip.mp4")[: len(shown)]
        assert len(shown) == len(found)
    else:
        assert not found
