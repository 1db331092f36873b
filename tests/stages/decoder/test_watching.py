"""A recording in a watched folder is taken once, when it is complete."""

import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.errors import ConfigError
from stages.decoder.watching import Watch, WatchSettings, check, name_in
from tests.stages.decoder.videos import make, steady


class Room:
    """A watched folder whose clock is the test's."""

    def __init__(self, folder: Path, **settings: float) -> None:
        self.folder, self.now_s = folder, 0.0
        self.clip = make(folder.parent / "clip.mp4", steady(5))
        self.watch = Watch(WatchSettings(folders=(folder,), settle_s=3, **settings), lambda: self.now_s)

    def put(self, name: str, part: float = 1.0) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = self.clip.read_bytes()
        path.write_bytes(content[: round(len(content) * part)])
        return path

    def after(self, seconds: float) -> list[str]:
        self.now_s += seconds
        return [name for name, _ in self.watch.found()]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    (tmp_path / "in").mkdir()
    return Room(tmp_path / "in")


def test_a_file_is_taken_once_it_is_quiet(room: Room) -> None:
    room.put("a.mp4")
    assert [room.after(1) for _ in range(6)] == [[], [], [], ["a"], [], []]


def test_one_that_grows_is_waited_for(room: Room) -> None:
    for part in (0.2, 0.4, 0.6, 0.8):
        room.put("a.mp4", part)
        assert room.after(2) == []
    room.put("a.mp4")
    assert room.after(2) == [] and room.after(2) == [] and room.after(2) == ["a"]


def test_one_that_can_not_be_opened_yet_is_waited_for_and_given_up_after_a_minute(room: Room) -> None:
    room.put("cut.mp4", 0.5)
    room.put("late.mp4", 0.5)
    assert [name for _ in range(50) for name in room.after(1)] == []
    room.put("late.mp4")
    assert [name for _ in range(20) for name in room.after(1)] == ["late", "cut"]


def test_one_whose_index_speaks_of_more_than_there_is_is_not_complete(room: Room) -> None:
    room.clip = make(room.folder.parent / "fast.mp4", steady(50), options={"movflags": "faststart"})
    room.put("copied.mp4", 0.7)
    assert [name for _ in range(30) for name in room.after(1)] == []
    room.put("copied.mp4")
    assert [name for _ in range(6) for name in room.after(1)] == ["copied"]


def test_one_that_is_gone_again_and_what_is_no_video_or_hidden_is_left_alone(room: Room) -> None:
    room.put("gone.mp4")
    room.put("notes.txt")
    room.put(".hidden.mp4")
    room.after(1)
    (room.folder / "gone.mp4").unlink()
    assert room.after(5) == room.after(5) == []


def test_folders_in_it_are_watched_and_names_say_where_a_file_is(room: Room) -> None:
    room.put("cam1/day 2/0700.mp4")
    room.put("cam10/0700.mp4")
    room.after(1)
    assert room.after(4) == ["cam1-day-2-0700", "cam10-0700"]
    assert name_in(room.folder, room.folder / "cam1/day 2/0700.mp4") == "cam1-day-2-0700"


def test_two_files_of_one_name_do_not_write_into_the_same_outputs(room: Room) -> None:
    room.put("a.mp4")
    room.put("a.mkv")
    shutil.copy(room.clip, room.folder / "a.mkv")
    room.after(1)
    with capture_logs() as lines:
        assert len(room.after(4)) == 1
    (line,) = lines
    assert line["event"] == "not taken" and "rename it" in line["error"]


def test_a_folder_that_comes_later_is_watched_too(tmp_path: Path) -> None:
    room = Room(tmp_path / "later")
    assert room.after(1) == []
    room.put("a.mp4")
    room.after(1)
    assert room.after(4) == ["a"]


def test_without_folders_nothing_is_watched() -> None:
    assert not Watch(WatchSettings()).on and not [*Watch(WatchSettings()).found()]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the watched folder .*/none does not exist: make it"):
        check(WatchSettings(folders=(tmp_path, tmp_path / "none")))
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(ConfigError, match=r"clip\.mp4 is a file, not a folder: name it as a source"):
        check(WatchSettings(folders=(tmp_path / "clip.mp4",)))
    check(WatchSettings(folders=(tmp_path,)))


def test_a_folder_that_goes_away_is_told_once_and_taken_up_when_it_is_back(room: Room) -> None:
    with capture_logs() as logs:
        room.after(2)
        room.folder.rename(room.folder.parent / "away")
        assert [room.after(2) for _ in range(3)] == [[], [], []]
        (room.folder.parent / "away").rename(room.folder)
        room.put("a.mp4")
        assert [name for _ in range(4) for name in room.after(2)] == ["a"]
    assert [log["event"] for log in logs] == ["the watched folder is gone", "the watched folder is back"]
