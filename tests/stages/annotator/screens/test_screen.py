"""A camera is shown live in a playlist, and pushed to a server; nobody waits for either."""

import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import pytest
from pydantic import ValidationError

from pipeline.messages import Detections
from stages.annotator.couriers.pauses import Pauses
from stages.annotator.screens.screen import Screen
from stages.annotator.sinks.hls import HlsSink
from stages.annotator.sinks.push import PushSink
from tests.conftest import missing
from tests.pipeline.broker_steps import DEADLINE_S, wait_for
from tests.planes import planar
from tests.stages.annotator.frames import found

FPS = 12.5
GREY = 90


def frame(seq: int, size: tuple[int, int] = (64, 48)) -> Detections:
    shown = found(seq, size=size)
    return replace(shown, frame=replace(shown.frame, previous=seq - 1))


def show(screen: Screen, first: int, frames: int) -> None:
    """Show pictures as fast as they are taken."""
    for seq in range(first, first + frames):
        before = screen.written + screen.missed
        screen.write("", frame(seq), planar(GREY, 64, 48))
        wait_for(lambda before=before: screen.written + screen.missed > before)  # type: ignore[misc]


def decoded(path: Path) -> list[float]:
    with av.open(str(path), options={"allowed_extensions": "ALL", "protocol_whitelist": "file"}) as container:
        return [picture.to_ndarray(format="gray").mean() for picture in container.decode(video=0)]


def test_a_playlist_holds_the_last_seconds_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    settings = HlsSink(segments=3, key_every_s=0.8)
    target = settings.target(tmp_path, "gate")
    for first in (0, 100):
        screen = Screen(settings, target)
        show(screen, first, 60)
        screen.close()
        assert (screen.written, screen.missed) == (60, 0)
    playlist = (tmp_path / "hls" / "gate" / "index.m3u8").read_text()
    segments = re.findall(r"^\d+\.ts$", playlist, re.MULTILINE)
    assert len(segments) == 3 and "#EXT-X-ENDLIST" not in playlist and "#EXT-X-PROGRAM-DATE-TIME" in playlist
    assert int(re.findall(r"MEDIA-SEQUENCE:(\d+)", playlist)[0]) >= 8, "it goes on"
    pictures = decoded(tmp_path / "hls" / "gate" / segments[0])
    assert len(pictures) == 10 and all(abs(grey - GREY) < 40 for grey in pictures)


def test_what_there_is_no_time_for_is_left_out_and_nobody_waits(tmp_path: Path) -> None:
    settings = PushSink(url="rtmp://127.0.0.1:9/live/x")
    screen = Screen(settings, settings.target(tmp_path, "gate"))
    for seq in range(200):
        screen.write("", frame(seq), planar(16, 64, 48))
    wait_for(lambda: screen.missed >= 190)
    screen.close()
    assert screen.written + screen.missed <= 200


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Callable[[], Path]]]:
    """FFmpeg as an RTMP server that keeps what it gets: its URL, and where that is when the sender has gone."""
    if shutil.which("ffmpeg") is None:
        missing("FFmpeg is not installed; on Debian: apt install ffmpeg")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"rtmp://127.0.0.1:{probe.getsockname()[1]}/live/"
    kept = tmp_path / "kept.flv"
    command = ["ffmpeg", "-v", "error", "-listen", "1", "-i", f"{url}gate", "-c", "copy", str(kept)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def whole() -> Path:
        assert process.wait(DEADLINE_S) == 0
        return kept

    yield url, whole
    process.kill()
    process.wait()


def test_a_camera_is_pushed_to_a_server_that_may_come_later(
    server: tuple[str, Callable[[], Path]], tmp_path: Path
) -> None:
    url, whole = server
    settings = PushSink(url=url + "{source}")
    screen = Screen(settings, settings.target(tmp_path, "gate"), Pauses(lambda: -0.9))
    show(screen, 0, 60)
    screen.close()
    assert screen.written >= 50
    assert len(decoded(whole())) >= 40


def test_a_wrong_address_is_refused_at_once() -> None:
    with pytest.raises(ValidationError, match="give a URL that begins with rtmp://"):
        PushSink(url="http://host/")
    with pytest.raises(ValidationError, match="a password is written as"):
        PushSink(url="rtsp://joe:secret@host/x")
