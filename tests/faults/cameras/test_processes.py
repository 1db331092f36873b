"""Processes die, hang and come back: no camera is lost, none is read twice, and answers stay fresh."""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from redis import Redis

from pipeline.embedded_broker import EmbeddedBroker
from pipeline.redis_broker import RedisBroker
from pipeline.registry import Registry
from pipeline.seal import Seal
from stages.decoder.wishes import parsed, wish_of
from tests.clips import write_clip
from tests.conftest import missing
from tests.e2e.command import Running, wait_for
from tests.faults.cameras.site import NULL, STEADY, Site, camera, opened
from tests.faults.cameras.watcher import Watcher, check_order, latency_s, longest_pause_s, until
from tests.rtsp.camera_server import CameraServer
from tests.rtsp.proxy import FaultyProxy

LEASE_S: Final = 2.0
FPS: Final = 10
SLOW_MS: Final = 400.0
INJECT: Final = Path(__file__).with_name("inject")


def simulated(number: int, fps: int = FPS) -> str:
    return f"sim://street?fps={fps}&size=320x180&objects=2&seed={number}"


@dataclass
class Hall:
    """Stages by hand on a Redis that somebody else runs."""

    server: EmbeddedBroker
    config: Path
    stack: ExitStack
    watcher: Watcher

    def start(self, stage: str, name: str) -> Running:
        env = {"DETSTREAM_REDIS__URL": self.server.url, "DETSTREAM_NAME": name}
        return self.stack.enter_context(Running("stage", stage, "--config", self.config, env=env))


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    program = shutil.which("redis-server")
    if program is None:
        missing("no redis-server: apt-get install redis-server")
    values: dict[str, Any] = {
        "memory_mb": 256,
        "ring_folder": str(tmp_path / "rings"),
        "flow": {"picture_size": [316, 316], "full_size": False},
        "decoder": {"lease_s": LEASE_S, "max_sources": 4, "serve": True},
        "detector": {"engine": NULL},
        "annotator": {"output": str(tmp_path / "out"), "sinks": [{"kind": "jsonl"}]},
        "redis": {"claim_after_s": 2.0},
    }
    config = tmp_path / "stages.yaml"
    config.write_text(yaml.safe_dump(values))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="detstream-")))
        server = stack.enter_context(EmbeddedBroker(folder, server=Path(program)))
        yield Hall(server, config, stack, stack.enter_context(Watcher(server.url)))


def wish(hall: Hall, *names: str) -> None:
    broker = RedisBroker(hall.server.url)
    for number, name in enumerate(names):
        _, source = parsed(f"{name}={simulated(number)}", {})
        Registry(broker).put(wish_of(name, source, Seal(None)))
    broker.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_cameras_of_a_dead_decoder_move_to_another_and_are_read_by_one_only(hall: Hall, how: signal.Signals) -> None:
    names = ("a", "b", "c")
    wish(hall, *names)
    for stage in ("tracker", "detector", "annotator"):
        hall.start(stage, stage)
    first = hall.start("decoder", "first")
    watcher = hall.watcher
    for name in names:
        watcher.wait_for_frames(name, 5, 0)
    hall.start("decoder", "second")
    begun_s = time.monotonic()
    os.kill(first.pid, how)
    for name in names:
        watcher.wait(name, "live", since_s=begun_s)
        assert watcher.wait_for_frames(name, 5, begun_s + 0.5) - begun_s < 3 * LEASE_S + 5
    moved_s = time.monotonic()
    if how == signal.SIGSTOP:
        os.kill(first.pid, signal.SIGCONT)  # it believes that it has its cameras
    for name in names:
        watcher.wait_for_frames(name, 15, moved_s)
        check_order(watcher.since(name, 0))
        epochs = [seen.found.frame.epoch for seen in watcher.since(name, 0)]
        assert epochs == sorted(epochs) and len(set(epochs)) == 2


def test_a_detector_that_is_ten_times_too_slow_still_sees_what_is_new(tmp_path: Path) -> None:
    probe = {"kind": "probe", "cost_per_frame_ms": SLOW_MS, "max_batch": 1}
    cameras = {name: camera(simulated(number)) for number, name in enumerate(("b", "c"), 1)}
    with opened(cameras, tmp_path, detector={"engine": probe}) as site:
        names = (STEADY, *cameras)
        begun_s = max(site.watcher.wait_for_frames(name, 2, 0) for name in names)
        for name in names:
            site.watcher.wait_for_frames(name, 6, begun_s)
        for name in names:
            frames = site.watcher.since(name, begun_s)
            check_order(frames)
            # In a queue all would be old; where the machine stalls, some are.
            assert latency_s(frames, 25) < 2 * SLOW_MS / 1000 + 0.02 + 1 / FPS
            ages = [(seen.found.begun_ns - seen.found.frame.captured_ns) / 1e9 for seen in frames]
            assert sorted(ages)[len(ages) // 4] < 1.5 / FPS
        counts = [len(site.watcher.since(name, begun_s)) for name in names]
        assert min(counts) >= 0.6 * max(counts)


def test_a_detector_that_is_killed_comes_back_and_answers_are_fresh_again(tmp_path: Path) -> None:
    with opened({}, tmp_path) as site:
        begun_s = time.monotonic()
        os.kill(site.run.stages()["detector"], signal.SIGKILL)
        recovered_s = site.watcher.wait_for_frames(STEADY, 3, begun_s + 0.3)
        site.note("detector killed", begun_s, None, recovered_s)
        site.watcher.wait_for_frames(STEADY, 20, recovered_s)
        frames = site.watcher.since(STEADY, recovered_s)
        check_order(site.watcher.since(STEADY, 0))
        assert latency_s(frames, 50) < 0.3


def test_detectors_come_and_go_and_cameras_go_on(hall: Hall) -> None:
    wish(hall, "a", "b")
    for stage in ("tracker", "decoder", "annotator"):
        hall.start(stage, stage)
    one = hall.start("detector", "one")
    for name in ("a", "b"):
        hall.watcher.wait_for_frames(name, 5, 0)
    two = hall.start("detector", "two")
    wait_for(lambda: _engines(hall.server.url) == 2, "the second detector")
    begun_s = time.monotonic()
    one.signal(signal.SIGTERM)
    assert one.wait().code == 0
    for name in ("a", "b"):
        hall.watcher.wait_for_frames(name, 20, begun_s)
        check_order(hall.watcher.since(name, 0))
        assert longest_pause_s(hall.watcher.since(name, begun_s), begun_s, time.monotonic()) < 4.0
    os.kill(two.pid, signal.SIGKILL)
    hall.start("detector", "three")
    for name in ("a", "b"):
        hall.watcher.wait_for_frames(name, 5, time.monotonic())


def test_a_broker_that_dies_with_all_it_knew_is_started_again_and_cameras_go_on(tmp_path: Path) -> None:
    with opened({"other": camera(simulated(1))}, tmp_path) as site:
        site.watcher.wait_for_frames("other", 5, 0)
        begun_s = time.monotonic()
        os.kill(_broker_of(site.run.pid), signal.SIGKILL)
        recovered_s = max(site.watcher.wait_for_frames(name, 5, begun_s + 1) for name in (STEADY, "other"))
        site.note("broker killed", begun_s, None, recovered_s)
        for name in (STEADY, "other"):
            site.watcher.wait_for_frames(name, 20, recovered_s)
            check_order(site.watcher.since(name, recovered_s))
            seqs = [seen.found.frame.seq for seen in site.watcher.since(name, 0)]
            assert seqs == sorted(set(seqs))
        assert site.rows_of("other")["state"] == "live"


def test_sixteen_cameras_of_which_four_flap_keep_twelve_steady(tmp_path: Path) -> None:
    clip = {"/gate": write_clip(tmp_path / "gate.mp4", 100)}
    steady = {f"cam-{n}": camera(simulated(n, 5)) for n in range(4, 16)}
    with ExitStack() as stack:
        server = stack.enter_context(CameraServer(clip))
        proxies = {f"flap-{n}": stack.enter_context(FaultyProxy(server.port)) for n in range(4)}
        flapping = {name: camera(f"rtsp://127.0.0.1:{proxy.port}/gate", fps=5) for name, proxy in proxies.items()}
        site = stack.enter_context(opened({**steady, **flapping}, tmp_path))
        for name in flapping:
            site.watcher.wait(name, "live")
        stack.enter_context(_flapping(list(proxies.values())))
        begun_s = stack.enter_context(site.others_unharmed())
        until(lambda: _least_reconnects(site, flapping) >= 2, lambda: "they do not flap")
        for name in steady:
            site.watcher.wait_for_frames(name, 30, begun_s)
            check_order(site.watcher.since(name, begun_s))
            assert latency_s(site.watcher.since(name, begun_s)) < 1.5


def _least_reconnects(site: Site, names: Iterable[str]) -> int:
    return min(site.watcher.states[name][-1][1].reconnects for name in names)


@contextmanager
def _flapping(proxies: list[FaultyProxy]) -> Iterator[None]:
    """Reset the connections of all cameras every few seconds."""
    over = threading.Event()

    def flap() -> None:
        while not over.wait(3.0):
            for mode in ("reset", "pass"):
                for proxy in proxies:
                    proxy.mode = mode
                over.wait(0.1)

    thread = threading.Thread(target=flap, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


def test_a_clock_that_jumps_changes_no_order_and_loses_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "jump"
    env = {"PYTHONPATH": str(INJECT), "CLOCK_JUMP_MARK": str(mark)}
    with opened({"other": camera(simulated(1))}, tmp_path, env) as site:
        site.watcher.wait_for_frames("other", 10, 0)
        for jump_s in (3600, -7200):
            with site.others_unharmed() as begun_s:
                mark.write_text(str(jump_s))
                for name in (STEADY, "other"):
                    site.watcher.wait_for_frames(name, 20, begun_s)
        for name in (STEADY, "other"):
            check_order(site.watcher.since(name, 0))
            newest_s = site.watcher.frames[name][-1].found.frame.timestamp_s or 0
            assert newest_s - time.time() > 3000  # it went along forwards, and never back


def _engines(url: str) -> int:
    with Redis.from_url(url) as client:
        return int(client.hlen("engines"))


def _broker_of(pid: int) -> int:
    from tests.e2e.command import children

    return next(child for child in children(pid) if b"valkey" in Path(f"/proc/{child}/cmdline").read_bytes())
