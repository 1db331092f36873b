"""The four stages, each started by hand, on a Redis that somebody else runs."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
import yaml
from redis import Redis

from pipeline.embedded_broker import EmbeddedBroker
from tests.clips import times
from tests.conftest import missing
from tests.e2e.command import Running, catches, detstream
from tests.e2e.fixtures import FRAMES, Material, Reference
from tests.e2e.outputs import count, lines

STAGES: Final = ("decoder", "detector", "tracker", "annotator")
ORDERS: Final = (STAGES, STAGES[::-1], ("tracker", "annotator", "decoder", "detector"))


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedBroker]:
    program = shutil.which("redis-server")
    if program is None:
        missing("no redis-server: apt-get install redis-server")
    with (
        tempfile.TemporaryDirectory(prefix="detstream-") as folder,
        EmbeddedBroker(Path(folder), server=Path(program)) as running,
    ):
        yield running


@pytest.fixture
def redis(server: EmbeddedBroker) -> dict[str, str]:
    """The setting that names an empty Redis."""
    with Redis.from_url(server.url) as client:
        client.flushall()
    return {"DETSTREAM_REDIS__URL": server.url}


@pytest.fixture
def config(material: Material, tmp_path: Path) -> Path:
    """One settings file for all stages."""
    settings = {
        "memory_mb": 256,
        "ring_folder": str(tmp_path / "rings"),
        "flow": {"picture_size": [316, 316]},
        "decoder": {"sources": [{"name": "clip", "source": {"kind": "file", "path": str(material.clip)}}]},
        "detector": {"model": str(material.model)},
        "annotator": {"output": str(tmp_path / "out")},
    }
    path = tmp_path / "stages.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_any_order_of_start_gives_what_a_run_gives(
    order: tuple[str, ...], config: Path, redis: dict[str, str], reference: Reference
) -> None:
    output = config.parent / "out"
    with ExitStack() as stack:
        stages = {}
        for stage in order:
            stages[stage] = stack.enter_context(Running("stage", stage, "--config", config, env=redis))
            _until_up(stages[stage])
        assert stages["decoder"].wait().code == 0  # it ends when all its sources are written
        for stage in ("detector", "tracker", "annotator"):
            stages[stage].signal(signal.SIGTERM)
        ended = {stage: running.wait() for stage, running in stages.items() if stage != "decoder"}
    assert {stage: end.code for stage, end in ended.items()} == {"detector": 0, "tracker": 0, "annotator": 0}
    assert (output / "clip.jsonl").read_bytes() == (reference.folder / "clip.jsonl").read_bytes()
    assert times(output / "clip.mp4") == times(reference.folder / "clip.mp4")
    assert not list((config.parent / "rings").iterdir())


def test_a_second_detector_may_join_and_the_first_one_leave(
    config: Path, redis: dict[str, str], reference: Reference
) -> None:
    output = config.parent / "out"
    with ExitStack() as stack:
        start = {"tracker", "annotator", "detector", "decoder"}
        stages = {name: stack.enter_context(Running("stage", name, "--config", config, env=redis)) for name in start}
        stages["decoder"].until(lambda: count(output), "the first line")
        second = stack.enter_context(Running("stage", "detector", "--config", config, env=redis))
        second.until(lambda: count(output) > FRAMES // 6, "more lines")
        stages["detector"].signal(signal.SIGINT)
        assert stages["detector"].wait().code == 0
        assert stages["decoder"].wait().code == 0
    assert (output / "clip.jsonl").read_bytes() == (reference.folder / "clip.jsonl").read_bytes()


def test_all_stages_stopped_and_started_again_go_on_where_they_were(
    config: Path, redis: dict[str, str], reference: Reference
) -> None:
    output = config.parent / "out"
    with ExitStack() as stack:
        stages = [stack.enter_context(Running("stage", name, "--config", config, env=redis)) for name in STAGES]
        stages[0].until(lambda: count(output) > FRAMES // 6, "some lines")
        for running in stages:
            running.signal(signal.SIGINT)
        assert [running.wait().code for running in stages] == [0, 0, 0, 0]
    assert 0 < len(lines(output)) < FRAMES
    with ExitStack() as stack:
        stages = [stack.enter_context(Running("stage", name, "--config", config, env=redis)) for name in STAGES]
        assert stages[0].wait().code == 0
    assert (output / "clip.jsonl").read_bytes() == (reference.folder / "clip.jsonl").read_bytes()
    assert times(output / "clip.mp4") == times(reference.folder / "clip.mp4")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_without_a_redis_says_so(stage: str, config: Path) -> None:
    ended = detstream("stage", stage, "--config", config)
    assert ended.code == 2
    assert "DETSTREAM_REDIS__URL" in ended.err and "Traceback" not in ended.err


def test_two_runs_do_not_share_a_redis(material: Material, config: Path, redis: dict[str, str], tmp_path: Path) -> None:
    output = config.parent / "out"
    arguments = ("run", material.clip, "--model", material.model, "--no-video")
    with Running(*arguments, "--output", output, env=redis) as first:
        first.until(first.stages, "the first stage")
        second = detstream(*arguments, "--output", tmp_path / "second", env=redis)
        assert "another run holds the Redis database: waiting" in second.err
        assert first.wait().code == 0
    if second.code == 0:  # the first was over soon enough
        assert (tmp_path / "second/clip.jsonl").read_bytes() == (output / "clip.jsonl").read_bytes()
    else:
        assert "another `detstream run` uses this Redis" in second.err


def _until_up(running: Running) -> None:
    """Return when the stage listens to SIGTERM: its program runs."""
    running.until(lambda: catches(running.pid, signal.SIGTERM), "the stage is up")
