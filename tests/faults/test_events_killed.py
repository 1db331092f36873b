"""SIGKILL in mid-run, of the tracker, of all at once, of the run: the events come out as if nothing had been."""

import json
import os
import signal
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from pipeline import keys
from pipeline.messages import Event
from pipeline.wire import decode
from tests.e2e.command import Running, children, detstream
from tests.e2e.fixtures import FRAMES, Material
from tests.e2e.outputs import count

ENOUGH: Final = FRAMES // 5
ZONES: Final[dict[str, Any]] = {
    "tracking": {"consecutive_frames": 1, "lost_s": 0.1},
    "snapshots": ["crossed"],
    "zones": [{"name": "left", "polygon": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], "debounce_s": 0, "above": 1}],
    "lines": [{"name": "middle", "line": [[0, 0.5], [1, 0.5]], "debounce_s": 0}],
}
OUTPUTS: Final = ("clip.jsonl", "clip.events.jsonl", "clip.counts.jsonl")


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zones") / "zones.yaml"
    sinks = [{"kind": "jsonl"}, {"kind": "events"}]
    path.write_text(yaml.safe_dump({"tracker": ZONES, "annotator": {"sinks": sinks}}))
    return path


@pytest.fixture(scope="session")
def undisturbed(material: Material, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    ended = detstream("run", material.clip, "--model", material.model, "--config", config, "--output", folder)
    assert ended.code == 0, ended.err
    return folder


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "clip.events.jsonl").read_text().splitlines()]


def check_same(folder: Path, wanted: Path) -> None:
    for name in OUTPUTS:
        assert (folder / name).read_bytes() == (wanted / name).read_bytes(), name
    pictures, those = sorted((folder / "clip.events").iterdir()), sorted((wanted / "clip.events").iterdir())
    assert [path.name for path in pictures] == [path.name for path in those]
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(pictures, those, strict=True))


def test_a_run_tells_events_of_tracks_zones_and_lines_each_with_its_picture(undisturbed: Path) -> None:
    told = events(undisturbed)
    kinds = {row["kind"] for row in told}
    assert {"track_started", "track_ended", "enter", "exit"} <= kinds and len(told) > 20
    assert len({row["id"] for row in told}) == len(told)
    assert [row["seq"] for row in told] == sorted(row["seq"] for row in told)
    named = {row["snapshot"] for row in told if row["snapshot"]}
    made = {f"clip.events/{path.name}" for path in (undisturbed / "clip.events").iterdir()}
    assert named == made and len(made) == sum(row["kind"] == "crossed" for row in told)
    (minute,) = map(json.loads, (undisturbed / "clip.counts.jsonl").read_text().splitlines())
    assert minute["frames"] == FRAMES


def test_all_stages_and_the_broker_killed_at_once_change_no_event(
    undisturbed: Path, material: Material, config: Path, tmp_path: Path
) -> None:
    arguments = ("run", material.clip, "--model", material.model, "--config", config, "--output", tmp_path)
    with Running(*arguments) as run:
        run.until(lambda: count(tmp_path) >= ENOUGH, "some lines")
        for pid in children(run.pid):
            os.kill(pid, signal.SIGKILL)
        ended = run.wait()
    assert ended.code == 0, ended.err
    assert "died, starting again" in ended.err
    check_same(tmp_path, undisturbed)


def test_a_run_that_was_killed_goes_on_with_its_events(
    undisturbed: Path, material: Material, config: Path, tmp_path: Path
) -> None:
    arguments = ("run", material.clip, "--model", material.model, "--config", config, "--output", tmp_path)
    with Running(*arguments) as run:
        run.until(lambda: count(tmp_path) >= ENOUGH, "some lines")
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    ended = detstream(*arguments, "--resume")
    assert ended.code == 0, ended.err
    check_same(tmp_path, undisturbed)


def test_a_killed_tracker_tells_each_event_once_in_both_streams(
    undisturbed: Path, material: Material, config: Path, tmp_path: Path
) -> None:
    from redis import Redis

    from pipeline.embedded_broker import EmbeddedBroker

    with EmbeddedBroker(tmp_path / "broker") as server:
        arguments = ("run", material.clip, "--model", material.model, "--config", config, "--output", tmp_path / "out")
        with Running(*arguments, env={"DETSTREAM_REDIS__URL": server.url}) as run:
            run.until(lambda: count(tmp_path / "out") >= ENOUGH, "some lines")
            os.kill(run.stages()["tracker"], signal.SIGKILL)
            ended = run.wait()
        assert ended.code == 0, ended.err
        client = Redis.from_url(server.url)
        for stream in (keys.EVENTS, keys.events("clip")):
            entries: Any = client.xrange(stream)
            found = [decode(fields[b"body"]) for _, fields in entries]
            assert [event.id for event in found if isinstance(event, Event)] == [
                row["id"] for row in events(undisturbed)
            ]
        client.close()
