"""Damaged recordings: a damaged group of pictures costs only itself, and nothing crashes, hangs or fills the memory."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from stages.decoder.source import Uneven
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
    begin_s = outcome.frames[0][0]
    times = [outcome.frames[place][0] - begin_s for place in others]
    assert times == pytest.approx([formats.STEADY_MS[place] / 1000 for place in others], abs=SAME_S)


@parametrize([case for case in damaged.in_a_group() if case.base.container in damaged.UNFRAMED])
def test_where_frames_are_found_by_their_bytes_the_others_keep_their_times(
    reader: Reader, case: Damaged, tmp_path: Path
) -> None:
    outcome = survived(reader, file_of(case, tmp_path))
    lost = damaged.lost(case.base.name)
    begin_s = outcome.frames[0][0]
    numbers = [(damaged.number_at(pts_s - begin_s), shown) for pts_s, _, shown in outcome.frames]
    others = [number for number in range(FRAMES) if number not in lost]
    assert [number for number, _ in numbers if number not in lost] == others
    assert [shown for number, shown in numbers if number not in lost] == others
    assert outcome.error is None


@parametrize(
    [case for case in damaged.in_a_group() if case.damage == ("bits" if case.base.codec == "H.264" else "keyframe")]
)
def test_a_damaged_recording_is_gone_on_with_behind_any_frame(case: Damaged, tmp_path: Path) -> None:
    path = file_of(case, tmp_path)
    whole, lost = decoded(path), damaged.lost(case.base.name)
    for place in (8, 14, 25, 40):
        found = decoded(path, place, (place - 1, whole[place - 1].pts_s))
        assert [(item.seq, item.pts_s, item.error) for item in found] == [
            (item.seq, item.pts_s, item.error) for item in whole[place:]
        ], place
        if case.base.container not in damaged.UNFRAMED:
            assert [item.picture for item in found if item.seq not in lost] == [
                item.picture for item in whole[place:] if item.seq not in lost
            ], place


@parametrize([case for case in damaged.in_a_group() if case.damage == "one packet"])
def test_of_a_damaged_recording_the_same_frames_are_taken_as_of_a_whole_one(case: Damaged, tmp_path: Path) -> None:
    path = file_of(case, tmp_path)
    wanted = decoded(path)[::5]
    found = decoded(path, every=5)
    assert [item.seq for item in found] == list(range(len(wanted)))
    if case.base.container not in damaged.UNFRAMED and case.base.name not in damaged.UNTIMED:
        assert [item.pts_s for item in found] == [item.pts_s for item in wanted]


@parametrize([case for case in damaged.in_a_group() if case.damage == "keyframe"])
def test_what_is_read_in_pieces_is_right_up_to_the_damage(case: Damaged, tmp_path: Path) -> None:
    path = file_of(case, tmp_path)
    whole = {item.seq: (item.pts_s, item.error) for item in decoded(path)}
    recording, found = FileSource(path=path).build(), {}
    with suppress(Uneven):
        for lane in recording.lanes(2):
            found.update({frame.seq: (round(frame.pts_s, 5), frame.error) for frame in lane})
    recording.close()
    assert found.items() <= whole.items()


@parametrize(list(damaged.unindexed()))
def test_without_an_index_all_is_there_or_it_is_said(reader: Reader, case: Damaged, tmp_path: Path) -> None:
    outcome = survived(reader, file_of(case, tmp_path))
    if case.base.container in {"mp4", "mov"}:
        assert not outcome.frames and "can't be opened as a video" in (outcome.error or "")
    else:
        assert [shown for _, _, shown in outcome.frames] == list(range(FRAMES)) and outcome.error is None


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi", "ts", "gif", "h264"])
@pytest.mark.parametrize(("bytes_", "reason"), [(0, "is empty"), (50_000, "can't be opened as a video")])
def test_of_nothing_comes_nothing(reader: Reader, suffix: str, bytes_: int, reason: str, tmp_path: Path) -> None:
    path = tmp_path / f"zeros.{suffix}"
    path.write_bytes(bytes(bytes_))
    outcome = survived(reader, path)
    assert not outcome.frames and reason in (outcome.error or "")


@parametrize(list(damaged.anyhow()))
def test_whatever_is_damaged_harms_nobody(reader: Reader, case: Damaged, tmp_path: Path) -> None:
    survived(reader, file_of(case, tmp_path))


@parametrize(list(damaged.cut()))
def test_what_is_before_a_cut_is_there(reader: Reader, case: Damaged, tmp_path: Path) -> None:
    outcome = survived(reader, file_of(case, tmp_path))
    shown = [shown for _, error, shown in outcome.frames if not error]
    assert shown[:-1] == list(range(len(shown)))[:-1]  # the last one may be half a picture
    if case.base.container in {"mp4", "mov", "mkv", "webm", "avi", "gif"}:
        assert outcome.error is not None and len(shown) < FRAMES


@parametrize(list(damaged.oversized()))
def test_huge_sizes_are_not_believed(reader: Reader, case: Damaged, tmp_path: Path) -> None:
    outcome = survived(reader, file_of(case, tmp_path))
    shown = [-1 if number is None else number for _, error, number in outcome.frames if not error]
    assert shown == sorted(set(shown)) and shown[:10] == list(range(len(shown[:10])))
    assert len(shown) == FRAMES or outcome.error is not None


@dataclass(frozen=True, slots=True)
class Item:
    """A decoded frame."""

    seq: int
    pts_s: float
    error: str | None
    picture: bytes


def decoded(path: Path, start: int = 0, anchor: tuple[int, float] | None = None, every: int = 1) -> list[Item]:
    """Return the frames from `start` on."""
    frames = FileSource(path=path, every=every).build().frames(start, anchor)
    return [Item(f.seq, round(f.pts_s, 5), f.error, b"" if f.error else f.scaled(44, 24).tobytes()) for f in frames]
