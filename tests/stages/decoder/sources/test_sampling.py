"""A part of a recording, or so many frames of it: the same pictures as of the whole, and little decoded for them."""

import itertools
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from av.codec.context import CodecContext

from pipeline.errors import SourceError
from stages.decoder import reading as module
from stages.decoder.reading import Reading
from stages.decoder.sampling import Sampler
from stages.decoder.sources.file import FileSource
from stages.decoder.thinning import Use
from tests.stages.decoder.videos import make, number_of, steady

LENGTH: Final = 240
SECONDS: Final = LENGTH / 25
Taken = list[tuple[int, float, int | str]]

OPEN_GOP: Final = "keyint=40:min-keyint=40:scenecut=0:open-gop=1:bframes=3:b-adapt=0:b-pyramid=normal"
KINDS: Final[dict[str, dict[str, Any]]] = {
    "closed.mp4": {"b_frames": 2, "tune": {"g": "25"}},
    "open.mp4": {"tune": {"x264-params": OPEN_GOP}, "b_frames": 3},
    "open.ts": {"tune": {"x264-params": OPEN_GOP}, "b_frames": 3},
    "plain.mkv": {"tune": {"g": "50"}},
    "endless.mp4": {"tune": {"g": "1000", "sc_threshold": "0"}, "b_frames": 2},
    "hevc.mp4": {"codec": "libx265", "tune": {"x265-params": "log-level=none:keyint=40:open-gop=1:bframes=3"}},
    "mpeg4.avi": {"codec": "mpeg4", "tune": {"g": "30"}, "b_frames": 2},
    "motion.avi": {"codec": "mjpeg"},
    "raw.h264": {"tune": {"g": "30"}},
}
WISHES: Final[list[dict[str, Any]]] = [
    {"every": 2},
    {"every": 7},
    {"every": 100},
    {"fps": 5},
    {"fps": 0.7},
    {"fps": 0.15},
    {"from_s": 6.0},
    {"from_s": 4.5, "to_s": 5.0},
    {"to_s": 1.0},
    {"every": 3, "from_s": 3.9},
    {"fps": 2, "from_s": 4.0, "to_s": 9.0},
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("kinds")

    def of(kind: str) -> Path:
        path = folder / kind
        return path if path.exists() else make(path, steady(LENGTH), **KINDS[kind])

    return of


def taken(path: Path, start: int = 0, anchor: tuple[int, float] | None = None, **wish: Any) -> Taken:
    """Return number, time and the number in the picture of each frame."""
    frames = FileSource(path=path, **wish).build().frames(start, anchor)
    return [
        (frame.seq, round(frame.pts_s, 5), frame.error or number_of(frame.scaled(frame.width, frame.height)))
        for frame in frames
    ]


@cache
def all_of(path: Path) -> Taken:
    return taken(path, join=path.is_dir())


def wanted(path: Path, wish: dict[str, Any]) -> Taken:
    """Return what a wish comes to, by way of all frames."""
    source = FileSource(path=path, join=path.is_dir(), **wish)
    sampler = Sampler(source, source.build().facts.start_s)
    kept = [frame for frame in all_of(path) if sampler.takes(frame[1])]
    return [(seq, pts_s, number) for seq, (_, pts_s, number) in enumerate(kept)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_taken_are_frames_of_the_whole(made: Callable[[str], Path], kind: str) -> None:
    path = made(kind)
    for wish in WISHES:
        found = taken(path, **wish)
        assert found == wanted(path, wish), wish
        assert len(found) > 1


@pytest.mark.parametrize("kind", ["closed.mp4", "open.ts", "hevc.mp4", "mpeg4.avi", "raw.h264"])
def test_gone_on_with_behind_any_frame_it_is_the_same(made: Callable[[str], Path], kind: str) -> None:
    path = made(kind)
    for wish in ({"every": 9}, {"fps": 3, "from_s": 2.5}):
        whole = wanted(path, wish)
        for place in range(1, len(whole), 6):
            assert taken(path, place, (place - 1, whole[place - 1][1]), **wish) == whole[place:], (wish, place)


def test_where_the_frame_to_go_on_from_is_not_found_it_is_gone_through_from_the_beginning(
    made: Callable[[str], Path],
) -> None:
    path = made("closed.mp4")
    whole = wanted(path, {"every": 5})
    assert taken(path, 20, (19, whole[19][1] + 0.013), every=5) == whole[20:]


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Collect for each packet that a decoder gets whether its frame is needed."""
    needed: list[bool] = []
    decoded = Reading._decoded

    def noted(self: Reading, packet: Any, **how: bool) -> Any:
        if packet is not None and packet.size:
            needed.append(how.get("needed", True))
        return decoded(self, packet, **how)

    monkeypatch.setattr(module.Reading, "_decoded", noted)
    return needed


@pytest.mark.parametrize(
    ("wish", "most", "of_these_whole"),
    [
        ({"every": 2}, 240, 120),
        ({"fps": 1}, 80, 10),
        ({"from_s": 8.0}, 65, 40),
        ({"to_s": 1.0}, 60, 25),
        ({"fps": 0.15}, 30, 2),
    ],
)
def test_little_more_is_decoded_than_what_is_taken_leans_on(
    made: Callable[[str], Path], fed: list[bool], wish: dict[str, Any], most: int, of_these_whole: int
) -> None:
    taken(made("closed.mp4"), **wish)
    assert len(fed) <= most and sum(fed) <= of_these_whole + 1


def test_where_little_is_taken_a_recording_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "sparse.mp4", [seq * 0.5 for seq in range(LENGTH)], tune={"g": "4"})
    read: list[Use] = []
    demuxed = Reading._demuxed

    def counted(self: Reading) -> Any:
        source = self._source

        def noted() -> Any:
            for packet, use in source:
                read.append(use)
                yield packet, use

        self._source = noted()
        return demuxed(self)

    monkeypatch.setattr(Reading, "_demuxed", counted)
    whole = wanted(path, {"fps": 0.05})
    read.clear()
    assert taken(path, fps=0.05) == whole and len(whole) == 6
    assert len(read) < 80


def test_a_codec_that_leaves_out_what_was_wanted_is_noticed(
    made: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the packets had told another order than the one in which frames come out."""
    path, whole = made("closed.mp4"), wanted(made("closed.mp4"), {"every": 4})
    foreseen, calls = Sampler.takes, itertools.count()

    def wrong_once(self: Sampler, pts_s: float) -> bool:
        return next(calls) != 40 and foreseen(self, pts_s)

    monkeypatch.setattr(Sampler, "takes", wrong_once)
    found = taken(path, every=4)
    assert [frame[0] for frame in found] == list(range(len(found)))
    assert found[0] == whole[0] and len(found) >= len(whole) - 1


def joined(folder: Path, lengths: Sequence[int]) -> Path:
    """Make a recording of several files, whose frames have numbers of their own, and return its folder."""
    folder.mkdir()
    for number, length in enumerate(lengths, 1):
        make(folder / f"part{number}.mp4", steady(length), b_frames=2, tune={"g": "12"})
    return folder


def test_files_of_a_folder_are_one_recording(tmp_path: Path) -> None:
    folder = joined(tmp_path / "nvr", [40, 25, 31, *[10] * 8])  # part10 is behind part9
    found = taken(folder, join=True)
    numbers = [*range(40), *range(25), *range(31), *[*range(10)] * 8]
    assert [(seq, number) for seq, _, number in found] == list(enumerate(numbers))
    assert [pts_s for _, pts_s, _ in found] == pytest.approx([seq / 25 for seq in range(len(numbers))], abs=2e-3)
    facts = FileSource(path=folder, join=True).build().facts
    assert facts.frames is None and facts.about == pytest.approx(len(numbers), rel=0.3)


@pytest.mark.parametrize(
    "wish", [{}, {"every": 4}, {"fps": 2}, {"from_s": 2.0, "to_s": 3.5}, {"every": 3, "from_s": 2}]
)
def test_several_files_are_gone_on_with_and_sampled_as_one(tmp_path: Path, wish: dict[str, Any]) -> None:
    folder = joined(tmp_path / "nvr", [40, 25, 31])
    whole = wanted(folder, wish)
    assert taken(folder, join=True, **wish) == whole and len(whole) > 5
    for place in range(1, len(whole), 5):
        assert taken(folder, place, (place - 1, whole[place - 1][1]), join=True, **wish) == whole[place:]


@pytest.mark.parametrize("wish", [{}, {"every": 2}])
def test_a_damaged_file_among_others_costs_only_itself_and_is_told(tmp_path: Path, wish: dict[str, Any]) -> None:
    folder = joined(tmp_path / "nvr", [20, 20, 20, 20])
    (folder / "part2.mp4").write_bytes(b"no video at all")
    (folder / "part1.mp4").write_bytes(b"")
    frames: list[int] = []
    with pytest.raises(SourceError, match=r"part1\.mp4 is empty .* \(and 1 more\)"):
        frames.extend(frame.seq for frame in FileSource(path=folder, join=True, **wish).build().frames())
    assert frames == list(range(40 // wish.get("every", 1)))


def test_a_folder_without_videos_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a folder without videos"):
        FileSource(path=tmp_path, join=True).build()


def test_a_part_behind_the_end_says_so(made: Callable[[str], Path]) -> None:
    with pytest.raises(SourceError, match="has no frame in the part that was asked for"):
        taken(made("plain.mkv"), from_s=100.0)


@pytest.mark.parametrize(
    ("wish", "fps", "about"),
    [
        ({}, 25, 240),
        ({"every": 5}, 5, 48),
        ({"fps": 2}, 2, 19),
        ({"fps": 100}, 25, 240),
        ({"from_s": 4.8}, 25, 120),
        ({"every": 2, "from_s": 2.4, "to_s": 4.8}, 12.5, 30),
    ],
)
def test_facts_are_those_of_the_frames_that_are_taken(
    made: Callable[[str], Path], wish: dict[str, Any], fps: float, about: int
) -> None:
    facts = FileSource(path=made("closed.mp4"), **wish).build().facts
    assert facts.fps == pytest.approx(fps) and facts.about == pytest.approx(about, abs=2)


def test_contradicting_wishes_are_refused() -> None:
    with pytest.raises(ValueError, match="every and fps: give one of them"):
        FileSource(path=Path("a.mp4"), every=2, fps=5)
    with pytest.raises(ValueError, match="from_s must be before to_s"):
        FileSource(path=Path("a.mp4"), from_s=5, to_s=5)


def test_the_decoder_is_asked_as_the_codec_knows_it() -> None:
    """What is passed over by `skip_frame` is FFmpeg's word: a typo would decode all, or nothing."""
    codec = CodecContext.create("h264", "r")
    for word in ("NONREF", "DEFAULT"):
        codec.skip_frame = word
        assert codec.skip_frame == word
