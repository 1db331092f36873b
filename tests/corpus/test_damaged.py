"""Damaged recordings: a damaged group of pictures costs only itself, and nothing crashes, hangs or fills the memory."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from stages.decoder.source import Decoded
from stages.decoder.sources.file import FileSource
from tests.corpus import damaged, formats
from tests.corpus.child import Outcome, Reader
from tests.corpus.damaged import Damaged
from tests.corpus.encoding import FRAMES

MOST_S = 10.0
MOST_MB = 200.0
MOST_FRAMES = 4 * FRAMES
SAME_S = 2e-3


def parametrize(cases: "Sequence[Damaged]") -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.id)


def survived(reader: Reader, path: Path) -> Outcome:
    """Read a damaged recording, and see that it did no harm."""
    outcome = reader.read(path)
    assert outcome.died is None
    assert outcome.took_s < MOST_S and outcome.mb < MOST_MB and len(outcome.frames) < MOST_FRAMES
    assert outcome.error is None or (str(path) in outcome.error and "\n" not in outcome.error)
    assert outcome.frames or outcome.error, "nothing came of it, and nobody says why"
    return outcome


def file_of(case: Damaged, folder: Path) -> Path:
    return case.make(folder / case.base.name)


@parametrize([case for case in damaged.in_a_group() if case.base.container not in damaged.UNFRAMED])
def test_a_damaged_group_costs_only_itself(reader: Reader, case: Damaged, tmp_path: Path) -> None:
    outcome = survived(reader, file_of(case, tmp_path))
    lost = damaged.lost(case.base.name)
    assert outcome.error is None
    assert len(outcome.frames) == FRAMES
    others = {place: shown for place, (_, _, shown) in enumerate(outcome.frames) if place not in lost}
    assert others == {place: place for place in range(FRAMES) if place not in lost}
    assert set(outcome.failed) <= lost
    assert all(error.startswith("can't be decoded (") for _, error, _ in outcome.frames if error)
    if case.damage in {"noise", "zeros"}:
        assert outcome.failed, "noise is no picture"
    steps = [after[0] - before[0] for before, after in itertools.pairwise(outcome.frames)]
    assert steps == pytest.approx([formats.FRAME_MS / 1000] * (FRAMES - 1), abs=SAME_S)


@parametrize([case for case in damaged.in_a_group() if case.base.container in damaged.UNFRAMED])
def test_where_frames_are_found_by_their_bytes_the_others_keep_their_times(
    reader: Reader, case: Damaged, tmp_path: Path
) -> None:
    outcome = survived(reader, file_of(case, tmp_path))
    lost = damaged.lost(case.base.name)
    begin_s = outcome.frames[0][0]
    numbers = [(round((pts_s - begin_s) * 1000 / formats.FRAME_MS), shown) for pts_s, _, shown in outcome.frames]
    others = [number for number in range(FRAMES) if number not in lost]
    assert [number for number, _ in numbers if number not in lost] == others
    assert [shown for number, shown in numbers if number not in lost] == others
    assert outcome.error is None


@parametrize([case for case in damaged.in_a_group() if case.damage in {"keyframe", "bits"}])
def test_a_damaged_recording_is_gone_on_with_behind_any_frame(case: Damaged, tmp_path: Path) -> None:
    path = file_of(case, tmp_path)
    whole = decoded(path)
    for place in (8, 11, 12, 14, 22, 25, 30, 44):
        if place < len(whole):
            assert decoded(path, place, (place - 1, whole[place - 1][1])) == whole[place:], place


@parametrize(list(damaged.anyhow()))
def test_whatever_is_damaged_harms_nobody(reader: Reader, case: Damaged, tmp_path: Path) -> None:
    survived(reader, file_of(case, tmp_path))


@parametrize(list(damaged.cut()))
def test_what_is_before_a_cut_is_there(reader: Reader, case: Damaged, tmp_path: Path) -> None:
    outcome = survived(reader, file_of(case, tmp_path))
    shown = [shown for _, error, shown in outcome.frames if not error]
    assert shown[:-1] == list(range(len(shown)))[:-1]  # the last one may be half a picture
    if case.base.container in {"mp4", "mov", "mkv", "webm", "avi"} and case.base.trait != "fragments":
        assert outcome.error is not None and len(shown) < FRAMES


@parametrize(list(damaged.oversized()))
def test_huge_sizes_are_not_believed(reader: Reader, case: Damaged, tmp_path: Path) -> None:
    outcome = survived(reader, file_of(case, tmp_path))
    shown = [shown for _, error, shown in outcome.frames if not error]
    assert shown == list(range(len(shown)))
    assert len(shown) == FRAMES or outcome.error is not None


def decoded(
    path: Path, start: int = 0, anchor: tuple[int, float] | None = None
) -> list[tuple[int, float, str | bytes]]:
    """Return number, time, and picture or error, of each frame."""
    found: list[Decoded] = []
    try:
        found.extend(FileSource(path=path).build().frames(start, anchor))
    except SourceError:
        pytest.fail("it ends early")
    return [(f.seq, round(f.pts_s, 5), f.error or f.scaled(44, 24).tobytes()) for f in found]
