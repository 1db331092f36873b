"""Real cameras, and what goes wrong with them."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from pipeline.errors import CameraError, ConfigError
from stages.decoder.address import parse
from stages.decoder.live.captured import Captured
from stages.decoder.live.clock import CaptureClock
from stages.decoder.live.opening import opened
from stages.decoder.live.settings import LiveSettings
from tests.clips import write_clip
from tests.rtsp.camera_server import CameraServer
from tests.rtsp.proxy import FaultyProxy, Mode
from tests.rtsp.senders import picture, pictures_over_http, sent_over_udp, silent_server, transport_stream

SECRET = "s3cret"
PATIENCE_S = 1.0
DEADLINE_S = 20.0
"""Generous: what is waited for comes in a second or two on an idle machine."""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CameraServer]:
    """A camera with a keyframe every 0.8 s."""
    clip = write_clip(tmp_path_factory.mktemp("clips") / "gate.mp4", 100)
    with CameraServer({"/gate": clip}) as server:
        yield server


def frames(url: str, **settings: object) -> Iterator[Captured]:
    """Yield the frames of a camera for as long as it lives, or the deadline."""
    patience = {"connect_s": PATIENCE_S, "read_s": PATIENCE_S, "stall_s": PATIENCE_S}
    chosen = LiveSettings.model_validate({"url": url} | patience | settings)
    with opened(parse(url, {}), chosen, CaptureClock()) as stream:
        ends_s = time.monotonic() + DEADLINE_S
        for captured in stream:
            yield captured
            assert time.monotonic() < ends_s, "it went on"


def code_of(url: str, **settings: object) -> str:
    """Return why a camera gives no frames, which none of the words of the error betrays."""
    with pytest.raises(CameraError) as caught:
        for _ in frames(url, **settings):
            pass
    error: BaseException | None = caught.value
    assert SECRET not in f"{error}" and "://" not in f"{error}"
    assert caught.value.__cause__ is None
    return caught.value.code


def after_first(url: str, act: Callable[[], object]) -> str:
    """Return why a camera ends to which something is done once it is live."""
    with pytest.raises(CameraError) as caught:
        for number, _ in enumerate(frames(url, connect_s=5.0)):
            if number == 0:
                act()
    return caught.value.code


@pytest.mark.parametrize("transport", ["tcp", "udp", "auto"])
def test_camera_gives_pictures_with_times_that_grow(gate: CameraServer, transport: str) -> None:
    found = list(islice(frames(gate.url(), transport=transport, connect_s=5.0, read_s=3.0), 40))
    assert all(after.timestamp_s > before.timestamp_s for before, after in pairwise(found))
    assert all(after.pts_s > before.pts_s for before, after in pairwise(found))
    assert abs(found[-1].timestamp_s - time.time()) < 5
    assert {(captured.width, captured.height) for captured in found} == {(384, 216)}
    last = found[-1].scaled(160, 90)
    assert last.shape == (90, 160, 3) and last.std() > 10
    if transport == "tcp":
        assert {captured.corrupt for captured in found} == {None}


def test_only_keyframes_come_if_so_wanted(gate: CameraServer) -> None:
    found = list(islice(frames(gate.url(), keyframes_only=True, stall_s=3.0), 3))
    assert all(after.pts_s - before.pts_s > 0.7 for before, after in pairwise(found))


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_password_is_needed_and_never_shown(scheme: str) -> None:
    with CameraServer(login=(scheme, "joe", SECRET)) as server:
        assert next(frames(server.url(login=f"joe:{SECRET}"), connect_s=5.0)).width == 768
        assert code_of(server.url(login=f"{SECRET}:wrong")) == "auth"
        assert code_of(server.url()) == "auth"


def test_unknown_path_is_not_found(gate: CameraServer) -> None:
    assert code_of(gate.url("/nope", f"joe:{SECRET}")) == "not_found"


def test_port_where_nobody_listens_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert code_of(f"rtsp://joe:{SECRET}@127.0.0.1:{port}/x") == "refused"


def test_name_that_nobody_knows_is_unreachable() -> None:
    assert code_of(f"rtsp://joe:{SECRET}@no-such-camera.invalid/x") == "unreachable"


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
def test_camera_that_accepts_and_says_nothing_is_given_up(scheme: str) -> None:
    with silent_server() as port:
        assert code_of(f"{scheme}://joe:{SECRET}@127.0.0.1:{port}/x") == "timeout"


def test_no_secure_connection_to_a_camera_without_tls() -> None:
    with pictures_over_http() as port:
        assert code_of(f"https://joe:{SECRET}@127.0.0.1:{port}/x") == "tls"


def test_frozen_camera_stalls_though_its_socket_is_open_and_comes_back_on_its_port() -> None:
    with CameraServer() as server:
        assert after_first(server.url(), server.freeze) == "stalled"
        server.kill()
        assert code_of(server.url()) == "refused"
        server.start()
        assert next(frames(server.url(), connect_s=5.0)).width == 768
        assert after_first(server.url(), server.kill) in ("gone", "stalled")


@pytest.mark.parametrize(("mode", "codes"), [("stall", {"stalled"}), ("dribble", {"stalled"}), ("reset", {"gone"})])
def test_bad_way_to_a_camera_ends_it(gate: CameraServer, mode: Mode, codes: set[str]) -> None:
    with FaultyProxy(gate.port) as proxy:
        url = f"rtsp://joe:{SECRET}@127.0.0.1:{proxy.port}/gate"
        assert after_first(url, lambda: setattr(proxy, "mode", mode)) in codes


@pytest.mark.parametrize("mode", ["stall", "dribble"])
def test_camera_behind_a_way_that_is_bad_from_the_start_is_given_up(gate: CameraServer, mode: Mode) -> None:
    with FaultyProxy(gate.port, mode) as proxy:
        assert code_of(f"rtsp://joe:{SECRET}@127.0.0.1:{proxy.port}/gate") == "timeout"


def test_flipped_bits_cost_frames_until_the_next_keyframe_and_are_told(gate: CameraServer) -> None:
    with FaultyProxy(gate.port, "flip", one_in=30_000) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/gate"
        settings = LiveSettings.model_validate({"url": url, "read_s": 5.0, "stall_s": 5.0})
        with opened(parse(url, {}), settings, CaptureClock()) as stream:
            ends_s = time.monotonic() + DEADLINE_S
            found = []
            with suppress(CameraError):  # of a bit in RTSP's own framing
                for captured in stream:
                    found.append(captured.corrupt is not None)
                    if (any(found) and not found[-1]) or time.monotonic() > ends_s:
                        break
    assert stream.counts.errors > 0
    assert stream.counts.captured == len(found)
    assert stream.counts.corrupt == sum(found) > 0


def test_pictures_over_http() -> None:
    with pictures_over_http() as port:
        found = list(islice(frames(f"http://127.0.0.1:{port}/mjpeg", connect_s=5.0), 10))
        assert {(captured.width, captured.height) for captured in found} == {(320, 240)}
        assert code_of(f"http://joe:{SECRET}@127.0.0.1:{port}/nope") == "not_found"
        assert code_of(f"http://joe:{SECRET}@127.0.0.1:{port}/locked") == "auth"


def test_stream_over_udp_goes_on_over_a_change_of_resolution() -> None:
    sizes = [(320, 240), (192, 144)]
    with sent_over_udp(sizes, 25) as port:
        seen: set[tuple[int, int]] = set()
        for captured in frames(f"udp://127.0.0.1:{port}", connect_s=5.0, read_s=3.0, stall_s=3.0):
            assert captured.scaled(64, 48).shape == (48, 64, 3)
            seen.add((captured.width, captured.height))
            if len(seen) == 2:
                break
    assert seen == set(sizes)


def test_no_video_is_a_format_that_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(4096))
    assert code_of(f"play:{tmp_path}/noise.mp4") == "format"
    assert code_of(f"play:{tmp_path}/nowhere.mp4") == "not_found"
    assert code_of("v4l2:/dev/video987") == "not_found"


def test_packets_without_frames_are_a_stall(gate: CameraServer) -> None:
    """The socket lives, and so do the packets; no frame is a keyframe any more for 0.8 s."""
    assert code_of(gate.url(), keyframes_only=True, connect_s=5.0, stall_s=0.3) == "stalled"


def test_recording_is_played_in_real_time_and_ends(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 20)
    started_s = time.monotonic()
    assert len(list(frames(f"play:{clip}"))) >= 17  # the last ones stay in the decoder
    assert time.monotonic() - started_s >= 15 / 25


def test_recording_is_played_again_and_again_with_times_that_go_on(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 10)
    found = list(islice(frames(f"play:{clip}?loop=1"), 30))
    assert all(0 < after.pts_s - before.pts_s < 0.3 for before, after in pairwise(found))
    assert {captured.corrupt for captured in found} == {None}


def test_folder_of_pictures_at_a_rate(tmp_path: Path) -> None:
    import cv2

    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number * 20, (96, 64)))
    (tmp_path / "3.png").write_bytes(b"no picture")
    found = list(islice(frames(f"images:{tmp_path}?fps=50&loop=1"), 6))
    assert [captured.pts_s for captured in found] == pytest.approx([0, 0.02, 0.04, 0.08, 0.1, 0.12])
    assert np.array_equal(found[1].scaled(96, 64), picture(20, (96, 64)))
    assert len(list(frames(f"images:{tmp_path}/*.png?fps=50"))) == 3
    assert code_of(f"images:{tmp_path}/*.jpg") == "not_found"
    with pytest.raises(ConfigError, match="fps='many' is no rate"):
        next(frames(f"images:{tmp_path}?fps=many"))


def test_missing_device_falls_back_with_one_line(gate: CameraServer) -> None:
    with capture_logs() as logs:
        assert next(frames(gate.url(login=f"joe:{SECRET}"), hwaccel="vaapi", connect_s=5.0)).width == 384
    assert [entry["wanted"] for entry in logs] == ["vaapi"]
    assert SECRET not in str(logs)


def test_camera_that_blocks_delays_no_other(gate: CameraServer) -> None:
    with FaultyProxy(gate.port, "stall") as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/gate"
        codes: list[str] = []
        blocked = threading.Thread(target=lambda: codes.append(code_of(url, connect_s=3.0)))
        blocked.start()
        assert len(list(islice(frames(gate.url(), connect_s=5.0), 20))) == 20
        blocked.join()
    assert codes == ["timeout"]


def test_stream_of_two_sizes_holds_both() -> None:
    assert len(transport_stream([(320, 240), (192, 144)], 5)) % 188 == 0
