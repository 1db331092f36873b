"""A recording that several read at once has the frames that it has when it is read in one go."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain, islice
from pathlib import Path
from threading import Barrier
from typing import Any, Final

import pytest

from pipeline.errors import SourceError
from stages.decoder.recording import Recording
from stages.decoder.source import Decoded, Uneven
from stages.decoder.sources.file import FileSource
from tests.stages.decoder.videos import make, steady

FRAMES: Final = 240
DEADLINE_S: Final = 60.0
OPEN: Final = "keyint=40:min-keyint=40:scenecut=0:open-gop=1:bframes=3:b-adapt=0:b-pyramid=normal"
CUT: Final[dict[str, dict[str, Any]]] = {
    "closed.mp4": {"b_frames": 2, "tune": {"g": "25"}},
    "plain.mov": {"tune": {"g": "50"}},
    "short.mp4": {"tune": {"g": "5"}},
    "open.mp4": {"tune": {"x264-params": OPEN}, "b_frames": 3},
    "hevc.mp4": {"codec": "libx265", "tune": {"x265-params": "log-level=none:keyint=40:open-gop=1:bframes=3"}},
    "mpeg4.avi": {"codec": "mpeg4", "tune": {"g": "30"}},
    "motion.avi": {"codec": "mjpeg"},
    "turned.mp4": {"tune": {"g": "25"}, "rotation": 90},
}
WHOLE: Final[dict[str, dict[str, Any]]] = {
    "endless.mp4": {"tune": {"g": "1000", "sc_threshold": "0"}, "b_frames": 2},
    "plain.mkv": {"tune": {"g": "50"}},
    "open.ts": {"tune": {"x264-params": OPEN}, "b_frames": 3},
    "fragmented.mp4": {"tune": {"g": "25"}, "options": {"movflags": "frag_keyframe+empty_moov"}},
}
Seen = tuple[int, float, str | None, int]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Make a clip by its name, once."""
    folder = tmp_path_factory.mktemp("pieces")

    @cache
    def clip(name: str) -> Path:
        return make(folder / name, steady(FRAMES), **{**CUT, **WHOLE}[name])

    return clip


def seen(frames: Iterator[Decoded]) -> list[Seen]:
    return [
        (frame.seq, frame.pts_s, frame.error, 0 if frame.error else hash(frame.scaled(32, 24).tobytes()))
        for frame in frames
    ]


def shared(recording: Recording, lanes: int, *place: Any) -> list[list[Seen]]:
    """Return what each lane yields, in threads as the decoder has them; none is through before all have begun."""
    iterators = recording.lanes(lanes, *place)
    begun = Barrier(len(iterators), timeout=DEADLINE_S)

    def read(frames: Iterator[Decoded]) -> list[Seen]:
        first = list(islice(frames, 1))
        begun.wait()
        return seen(chain(first, frames))

    with ThreadPoolExecutor(len(iterators)) as threads:
        found = list(threads.map(read, iterators))
    recording.close()
    return found


def opened(path: Path) -> Recording:
    return FileSource(path=path).build()


@pytest.mark.parametrize("name", CUT)
def test_what_is_cut_is_whole_when_it_is_put_together(clips: Any, name: str) -> None:
    found = shared(opened(clips(name)), 3)
    assert len(found) == 3 and sum(bool(lane) for lane in found) > 1
    assert sorted(item for lane in found for item in lane) == seen(opened(clips(name)).frames())
    assert all(lane == sorted(lane) for lane in found)


@pytest.mark.parametrize("name", WHOLE)
def test_what_can_not_be_cut_is_read_in_one_go(clips: Any, name: str) -> None:
    found = shared(opened(clips(name)), 3)
    assert sum(bool(lane) for lane in found) == 1
    assert next(lane for lane in found if lane) == seen(opened(clips(name)).frames())


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("last", [0, 39, 40, 101, 238])
def test_it_is_gone_on_with_from_any_frame(clips: Any, name: str, last: int) -> None:
    whole = seen(opened(clips(name)).frames())
    found = shared(opened(clips(name)), 2, last + 1, (last, whole[last][1]))
    assert sorted(item for lane in found for item in lane) == whole[last + 1 :]


def test_one_lane_alone_yields_all(clips: Any) -> None:
    (lane, other), whole = opened(clips("closed.mp4")).lanes(2), seen(opened(clips("closed.mp4")).frames())
    assert seen(lane) == whole
    assert seen(other) == []


def test_where_the_end_is_missing_it_is_said_after_all_that_can_be_read(clips: Any, tmp_path: Path) -> None:
    fast = make(tmp_path / "fast.mp4", steady(FRAMES), tune={"g": "25"}, options={"movflags": "faststart"})
    content = fast.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: len(content) * 3 // 4])
    whole: list[Seen] = []
    with pytest.raises(SourceError, match="ends early") as in_one_go:
        for frame in opened(cut).frames():
            whole += seen(iter([frame]))
    found: list[Seen] = []
    with pytest.raises(SourceError) as in_pieces:
        for frame in opened(cut).lanes(2)[0]:
            found += seen(iter([frame]))
    assert found == whole
    assert str(in_pieces.value) == str(in_one_go.value)


def test_damage_is_left_to_who_reads_in_one_go(clips: Any, tmp_path: Path) -> None:
    content = bytearray(clips("closed.mp4").read_bytes())
    place = len(content) // 2
    content[place : place + 3000] = bytes(3000)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content)
    whole, found = seen(opened(damaged).frames()), []
    with pytest.raises(Uneven):
        for frame in opened(damaged).lanes(2)[0]:
            found += seen(iter([frame]))
    assert any(error for _, _, error, _ in whole)
    assert found == whole[: len(found)] and not any(error for _, _, error, _ in found)
