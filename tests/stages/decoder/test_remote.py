"""Recordings that have a URL are read as those on disk are, through faults of the line, and show no secret."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from pipeline.errors import ConfigError, SourceError
from stages.decoder.remote import Remote, is_remote, listed, title
from stages.decoder.source import Decoded
from stages.decoder.sources.file import FileSource
from stages.decoder.sources.url import UrlSource
from tests.faulty_server import FaultyServer, serving
from tests.stages.decoder.videos import make, steady

FRAMES = 60


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose index is at its end, as most are: it can't be read without seeking."""
    return make(tmp_path_factory.mktemp("remote") / "clip.mp4", steady(FRAMES), tune={"g": "20"})


@pytest.fixture
def server(clip: Path) -> Iterator[FaultyServer]:
    with serving(clip.read_bytes()) as server:
        server.url = server.url.replace("models/yolo_nas_s_coco.pth", "clip.mp4?token=s3cret")
        yield server


@pytest.fixture
def bucket(clip: Path) -> Iterator[str]:
    """A folder of an object store, in memory."""
    system = fsspec.filesystem("memory")
    for name in ("a.mp4", "night/b.mp4", "notes.txt"):
        system.pipe(f"/bucket/{name}", clip.read_bytes())
    yield "memory://bucket"
    system.rm("/bucket", recursive=True)


def seen(frames: Iterator[Decoded]) -> list[tuple[int, float, str | None, int]]:
    found = []
    for frame in frames:
        picture = np.zeros(1) if frame.error else frame.scaled(32, 32)
        found.append((frame.seq, frame.pts_s, frame.error, int(picture.sum())))
    return found


def of_url(url: str, **settings: Any) -> UrlSource:
    return UrlSource(url=url, **settings)


def test_a_web_server_gives_the_same_frames_as_the_file(server: FaultyServer, clip: Path) -> None:
    found = seen(of_url(server.url).build().frames())
    assert len(found) == FRAMES
    assert found == seen(FileSource(path=clip).build().frames())


def test_a_line_that_breaks_is_taken_up_again(server: FaultyServer, clip: Path) -> None:
    recording = of_url(server.url).build()
    half = clip.stat().st_size // 2
    server.cuts, server.statuses = [half, half // 2, 100], [503]
    assert seen(recording.frames()) == seen(FileSource(path=clip).build().frames())
    assert not server.cuts and not server.statuses


def test_sampling_and_going_on_work_as_with_a_file(server: FaultyServer, clip: Path) -> None:
    wish: dict[str, Any] = {"every": 7, "from_s": 0.5}
    there, here = of_url(server.url, **wish).build(), FileSource(path=clip, **wish).build()
    anchor = (2, seen(here.frames())[2][1])
    assert seen(there.frames()) == seen(here.frames())
    assert seen(there.frames(3, anchor)) == seen(here.frames())[3:]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_can_not_be_had_is_an_error_without_a_secret(server: FaultyServer, status: int) -> None:
    server.statuses = [status] * 9
    with pytest.raises(SourceError, match=r"clip\.mp4 can't be read \(.*check address, credentials") as caught:
        of_url(server.url).build()
    assert "s3cret" not in str(caught.value)


def test_an_object_store_gives_the_same_frames(bucket: str, clip: Path) -> None:
    assert seen(of_url(f"{bucket}/a.mp4").build().frames()) == seen(FileSource(path=clip).build().frames())


def test_a_folder_and_a_pattern_stand_for_the_videos_in_them(bucket: str) -> None:
    assert listed(bucket) == ["memory:///bucket/a.mp4", "memory:///bucket/night/b.mp4"]
    assert listed(f"{bucket}/*.mp4") == ["memory:///bucket/a.mp4"]
    with pytest.raises(ConfigError, match="holds no video"):
        listed(f"{bucket}/*.mkv")


def test_what_is_not_in_the_store_does_not_exist(bucket: str) -> None:
    with pytest.raises(SourceError, match=r"c\.mp4 does not exist: check the address"):
        of_url(f"{bucket}/c.mp4").build()


def test_a_store_without_its_package_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match="s3:// needs one more package: pip install s3fs"):
        listed("s3://bucket/day/")


def test_contents_are_those_of_the_file(server: FaultyServer, bucket: str, clip: Path) -> None:
    for url in (server.url, f"{bucket}/a.mp4"):
        assert b"".join(Remote(url).contents()) == clip.read_bytes()


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("https://host/day/clip.MP4?sig=x", True),
        ("http://user:pw@host:81/clip.mkv", True),
        ("memory://x/clip", True),
        ("s3://bucket/day/", True),
        ("http://cam/mjpg/video.cgi", False),
        ("https://cam/live.m3u8", False),
        ("rtsp://cam/clip.mp4", False),
        ("sim://street", False),
        ("play:clip.mp4", False),
        ("nothing://known/clip.mp4", False),
        ("clip.mp4", False),
        ("C:\\clip.mp4", False),
    ],
)
def test_at_a_web_server_the_ending_tells_a_recording_from_a_camera(text: str, remote: bool) -> None:
    assert is_remote(text) is remote


def test_settings_show_no_secret_and_take_it_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNATURE", "hush")
    source = of_url("https://me:pw@host/day%201.mp4?sig=${SIGNATURE}")
    assert source.url.get_secret_value() == "https://me:pw@host/day%201.mp4?sig=hush"
    assert source.address == source.model_dump(mode="json")["url"] == "https://host/day%201.mp4"
    assert not {"hush", "pw"} & set(f"{source!r} {source.identity}".replace(":", " ").split())
    assert title(source.url.get_secret_value()) == "day 1"
    with pytest.raises(ValueError, match="no URL of a recording"):
        of_url("rtsp://cam/1")
