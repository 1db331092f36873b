"""What cameras and networks do to a stream: it is told, it mends by itself, and no other camera notices."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clips import write_clip
from tests.e2e.command import exists
from tests.faults.cameras.site import Site, camera, opened
from tests.faults.cameras.watcher import check_order, until
from tests.rtsp.camera_server import CameraServer
from tests.rtsp.proxy import FaultyProxy
from tests.rtsp.senders import sent_over_udp, silent_server

DEAD_S = 5.0
AUTH_PAUSE_S = 60.0
"""Least pause after a wrong password: cameras lock accounts."""


@dataclass(frozen=True)
class Street:
    """The site, and what can be done to its cameras."""

    site: Site
    servers: dict[str, CameraServer]
    proxies: dict[str, FaultyProxy]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """One run with a camera for each fault."""
    folder = tmp_path_factory.mktemp("cameras")
    clip = {"/gate": write_clip(folder / "gate.mp4", 100)}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(CameraServer(clip)) for name in ("killed", "frozen", "shared")}
        servers["locked"] = stack.enter_context(CameraServer(clip, login=("digest", "joe", "s3cret")))
        shared = servers["shared"]
        proxies = {
            name: stack.enter_context(FaultyProxy(shared.port)) for name in ("reset", "stall", "dribble", "flip")
        }
        cameras = {name: camera(f"rtsp://127.0.0.1:{proxy.port}/gate") for name, proxy in proxies.items()}
        cameras |= {name: camera(servers[name].url()) for name in ("killed", "frozen")}
        cameras["wrong"] = camera(servers["locked"].url(login="joe:guess"))
        cameras["nowhere"] = camera(shared.url("/nope"))
        cameras["silent"] = camera(f"rtsp://127.0.0.1:{stack.enter_context(silent_server())}/x")
        cameras["sizes"] = camera(f"udp://127.0.0.1:{stack.enter_context(sent_over_udp([(320, 240), (192, 144)], 25))}")
        lossy = stack.enter_context(sent_over_udp([(320, 240)], 50, lost=0.02))
        cameras["lossy"] = camera(f"udp://127.0.0.1:{lossy}", corrupt="drop")
        site = stack.enter_context(opened(cameras, folder))
        yield Street(site, servers, proxies)


def test_a_camera_that_is_gone_for_five_seconds_comes_back(street: Street) -> None:
    watcher = street.site.watcher
    watcher.wait("killed", "live")
    with street.site.others_unharmed() as begun_s:
        street.servers["killed"].kill()
        detected_s = watcher.wait("killed", "reconnecting gone", "stalled stalled", since_s=begun_s)
        back_s = begun_s + DEAD_S
        until(lambda: time.monotonic() > back_s, lambda: "")
        street.servers["killed"].start()
        recovered_s = watcher.wait_for_frames("killed", 3, back_s)
    street.site.note("server killed for 5 s", begun_s, detected_s, recovered_s)
    check_order(watcher.since("killed", 0))
    assert watcher.states["killed"][-1][1].reconnects >= 1


def test_a_frozen_camera_is_given_up_though_its_socket_is_open(street: Street) -> None:
    watcher = street.site.watcher
    watcher.wait("frozen", "live")
    with street.site.others_unharmed() as begun_s:
        street.servers["frozen"].freeze()
        detected_s = watcher.wait("frozen", "stalled stalled", since_s=begun_s)
        street.servers["frozen"].thaw()
        recovered_s = watcher.wait_for_frames("frozen", 3, time.monotonic())
    street.site.note("server frozen (SIGSTOP)", begun_s, detected_s, recovered_s)
    check_order(watcher.since("frozen", 0))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("reset", ("reconnecting gone",)),
        ("stall", ("stalled stalled",)),
        ("dribble", ("stalled stalled", "reconnecting timeout")),
    ],
)
def test_a_bad_way_to_a_camera_is_told_and_mends(street: Street, name: str, told: tuple[str, ...]) -> None:
    watcher, proxy = street.site.watcher, street.proxies[name]
    watcher.wait(name, "live")
    with street.site.others_unharmed() as begun_s:
        proxy.mode = name  # type: ignore[assignment]
        detected_s = watcher.wait(name, *told, since_s=begun_s)
        proxy.mode = "pass"
        mended_s = time.monotonic()
        recovered_s = watcher.wait_for_frames(name, 3, mended_s)
    street.site.note(f"way to it: {name}", begun_s, detected_s, recovered_s)
    check_order(watcher.since(name, 0))


def test_flipped_bits_are_counted_and_no_damaged_frame_is_looked_at(street: Street) -> None:
    watcher, proxy = street.site.watcher, street.proxies["flip"]
    watcher.wait("flip", "live")

    def corrupt() -> int:
        return int(street.site.rows_of("flip")["corrupt"])

    with street.site.others_unharmed() as begun_s:
        proxy.mode = "flip"
        until(lambda: corrupt() > 0, lambda: "no damage was counted")
        detected_s = time.monotonic()
        proxy.mode = "pass"
        recovered_s = watcher.wait_for_frames("flip", 3, time.monotonic())
    street.site.note("way to it: flip", begun_s, detected_s, recovered_s)
    assert not any(seen.found.frame.corrupt for seen in watcher.since("flip", 0))
    check_order(watcher.since("flip", 0))


def test_a_wrong_password_is_a_failure_of_its_own_and_is_not_tried_again_at_once(street: Street) -> None:
    watcher = street.site.watcher
    watcher.wait("wrong", "failed auth")
    told = [state for _, state in watcher.states["wrong"] if state.code]
    assert {state.code for state in told} == {"auth"} and len(told) == 1
    assert "password" in (told[0].error or "") and "guess" not in (told[0].error or "")


def test_an_unknown_path_is_a_failure_of_its_own(street: Street) -> None:
    street.site.watcher.wait("nowhere", "failed not_found")


def test_a_camera_that_accepts_and_says_nothing_is_tried_for_ever(street: Street) -> None:
    street.site.watcher.wait("silent", "reconnecting timeout")


def test_a_change_of_resolution_goes_on(street: Street) -> None:
    watcher = street.site.watcher

    def sizes() -> set[tuple[int, int]]:
        return {(seen.found.frame.width, seen.found.frame.height) for seen in watcher.since("sizes", 0)}

    with street.site.others_unharmed():
        until(lambda: len(sizes()) == 2, lambda: f"only {sizes()}")
        watcher.wait_for_frames("sizes", 30, time.monotonic())
    check_order(watcher.since("sizes", 0))
    for seen in watcher.since("sizes", 0):
        frame = seen.found.frame
        assert (seen.found.xyxy <= [frame.width, frame.height] * 2).all()


def test_lost_datagrams_cost_frames_that_are_counted(street: Street) -> None:
    watcher = street.site.watcher
    with street.site.others_unharmed():
        watcher.wait_for_frames("lossy", 50, time.monotonic())
        until(lambda: int(street.site.rows_of("lossy")["corrupt"]) > 0, lambda: "no damage was counted")
    check_order(watcher.since("lossy", 0))
    assert not any(seen.found.frame.corrupt for seen in watcher.since("lossy", 0))


def test_after_all_that_the_processes_are_the_same_and_hold_no_more_than_they_need(street: Street) -> None:
    pids = street.site.run.stages()
    assert sorted(pids) == ["annotator", "decoder", "detector", "tracker"]
    assert all(exists(pid) for pid in pids.values())
    assert len(list(Path(f"/proc/{pids['decoder']}/fd").iterdir())) < 150
