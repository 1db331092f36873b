import os
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from stages.decoder.sources.listing import NamedCamera, NamedSource, NamedUrl, expand, expand_all


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, to be filled with files."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def names(*arguments: str) -> list[str]:
    return [source.name for source in expand(arguments)]


def error(*arguments: str) -> str:
    with pytest.raises(ConfigError) as raised:
        expand(arguments)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_file_is_named_after_itself(folder: Path) -> None:
    touch("car park (2).mp4")
    assert expand(["car park (2).mp4"]) == [NamedSource("car-park-2", Path("car park (2).mp4"))]


def test_a_folder_is_its_videos_in_the_order_that_people_expect(folder: Path) -> None:
    touch("v/cam10.mp4", "v/cam2.MP4", "v/deep/cam1.mkv", "v/notes.txt", "v/.hidden/x.mp4", "v/.cam.mp4")
    assert names("v") == ["cam2", "cam10", "cam1"]


def test_a_glob_is_what_it_matches(folder: Path) -> None:
    touch("v/b2.mp4", "v/b10.mp4", "v/a.mp4", "v/b.txt", "v/x/b3.mp4")
    assert names("v/b*") == ["b2", "b10"]
    assert names("v/**/b*.mp4") == ["b2", "b10", "b3"]


def test_a_name_can_be_given(folder: Path) -> None:
    touch("v/a.mp4", "v/b.mp4")
    assert expand(["gate=v/a.mp4"]) == [NamedSource("gate", Path("v/a.mp4"))]
    assert names("gate=v") == ["gate-a", "gate-b"]
    assert names("my gate=v/a.mp4") == ["my-gate"]


def test_a_path_with_an_equals_sign_is_a_path_if_it_exists(folder: Path) -> None:
    touch("cam=1.mp4", "1.mp4", "run=2/x.mp4")
    assert expand(["cam=1.mp4", "run=2/x.mp4"]) == [
        NamedSource("cam-1", Path("cam=1.mp4")),
        NamedSource("x", Path("run=2/x.mp4")),
    ]
    assert expand(["gate=cam=1.mp4"]) == [NamedSource("gate", Path("cam=1.mp4"))]


def test_files_of_the_same_name_are_told_apart_by_folder_then_by_number(folder: Path) -> None:
    touch("a/x.mp4", "b/x.mp4", "b/x.mkv", "c/y.mp4")
    assert names("a/x.mp4", "b/x.mp4", "b/x.mkv", "c/y.mp4") == ["a-x", "b-x", "b-x-2", "y"]


def test_a_derived_name_gives_way_to_a_given_one(folder: Path) -> None:
    touch("gate.mp4", "other.mp4")
    assert names("gate.mp4", "gate=other.mp4") == ["gate-2", "gate"]


def test_a_file_that_is_listed_twice_is_read_once(folder: Path) -> None:
    touch("v/a.mp4", "v/b.mp4")
    assert names("v/b.mp4", "v") == ["b", "a"]
    assert names("one=v/a.mp4", "two=v/a.mp4") == ["one", "two"]


def test_names_are_safe_as_file_names(folder: Path) -> None:
    touch("..mp4", "въезд.mp4", "-x.mp4", "a..mp4", "b" * 200 + ".mp4")
    assert names("..mp4") == names("въезд.mp4") == ["source"]
    assert names("-x.mp4", "a..mp4", "b" * 200 + ".mp4") == ["x", "a", "b" * 90]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.mp4"], "missing.mp4 does not exist"),
        (["gate=joe:s3cret@cam1/stream"], "…@cam1/stream does not exist"),
        (["gate=missing.mp4"], "missing.mp4 does not exist"),
        (["empty"], "folder without videos"),
        (["*.mkv"], "no file matches"),
        (["gate="], "NAME=PATH"),
        (["=a.mp4"], "NAME=PATH"),
        ([""], "empty SOURCE"),
        (["gate=a.mp4", "gate=b.mp4"], "two sources are named 'gate'"),
        (["a.mp4/b.mp4"], "does not exist"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(folder: Path, arguments: list[str], words: str) -> None:
    touch("a.mp4", "b.mp4", "empty/notes.txt")
    assert words in error(*arguments)


@pytest.mark.parametrize("argument", ["rtsp://user:secret@10.0.0.1/live?a=b", "gate=rtsp://user:secret@10.0.0.1/live"])
def test_a_camera_is_no_recording_and_its_password_is_not_shown(folder: Path, argument: str) -> None:
    message = error(argument)
    assert "rtsp:// is no file; cameras are looked at by `detstream run`" in message and "secret" not in message


def test_cameras_have_names_beside_those_of_recordings(folder: Path) -> None:
    touch("cam1-live.mp4", "play.mp4")
    found = expand_all(
        [
            "rtsp://joe:secret@cam1/live?x=1",
            "cam1-live.mp4",
            "play:play.mp4",
            "yard=udp://1.2.3.4:5",
            "sim://street?fps=2",
        ]
    )
    assert [item.name for item in found] == ["cam1-live", "cam1-live-2", "play", "yard", "street"]
    assert [type(item).__name__ for item in found] == ["NamedSource", *["NamedCamera"] * 4]
    assert "secret" not in repr(found)


def test_two_cameras_of_one_name_are_refused(folder: Path) -> None:
    touch("gate.mp4")
    for other in ("gate=rtsp://b/1", "gate=gate.mp4"):
        with pytest.raises(ConfigError, match="two sources are named 'gate'"):
            expand_all(["gate=rtsp://a/1", other])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_entered_is_one_clear_line(folder: Path) -> None:
    touch("closed/a.mp4")
    Path("closed").chmod(0)
    message = error("closed/a.mp4")
    Path("closed").chmod(0o700)
    assert "closed/a.mp4" in message


def test_a_list_stands_for_its_lines(folder: Path) -> None:
    touch("a.mp4", "v/b.mp4", "v/c.mp4")
    Path("files.txt").write_text("# of today\na.mp4\n\n  night=v/b.mp4  \nv\n")
    assert names("@files.txt") == ["a", "night", "c"]
    touch("@b.mp4")
    assert names("@b.mp4") == ["b"]  # a file may be called so
    assert error("@nothing.txt") == "the list nothing.txt can't be read: No such file or directory"
    Path("films.bin").write_bytes(b"\xff\xfe\x00")
    assert error("@films.bin") == "the list films.bin can't be read: it is no text"


def test_joined_a_folder_is_one_recording(folder: Path) -> None:
    touch("nvr/10-00.mp4", "nvr/10-01.mp4", "a.mp4")
    assert expand(["nvr", "a.mp4"], join=True) == [
        NamedSource("nvr", Path("nvr"), is_joined=True),
        NamedSource("a", Path("a.mp4")),
    ]
    with pytest.raises(ConfigError, match="nothing to join: name a folder"):
        expand(["a.mp4"], join=True)


def test_recordings_elsewhere_stand_between_files_and_cameras(folder: Path) -> None:
    touch("a.mp4")
    url = "https://me:pw@host/day/a.mp4?sig=x"
    assert expand_all(["rtsp://cam/1", url, "old=http://host/b.mkv", "a.mp4"]) == [
        NamedSource("a", Path("a.mp4")),
        NamedUrl("a-2", url),
        NamedUrl("old", "http://host/b.mkv"),
        NamedCamera("cam-1", "rtsp://cam/1"),
    ]
    assert "pw" not in repr(expand_all([url]))


def test_a_folder_elsewhere_is_its_videos(folder: Path) -> None:
    touch("v/a.mp4", "v/b.mp4", "v/b.txt")
    there = f"file://{folder}/v"
    assert expand_all([there]) == [NamedUrl("a", f"{there}/a.mp4"), NamedUrl("b", f"{there}/b.mp4")]
    assert [item.name for item in expand_all([f"cam={there}", f"x={there}/a.mp4"])] == ["cam-a", "cam-b", "x"]
