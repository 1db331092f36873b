"""Sinks that send while the annotator is killed and their peers fail: nothing is lost, what is doubled has one key."""

import json
import os
import signal
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any, Final

import yaml

from tests.e2e.command import Running
from tests.e2e.fixtures import FRAMES, Material
from tests.e2e.outputs import count, lines, manifest, source_in
from tests.peers.http import Receiver, receiving

HERE: Final = Path(__file__).parent
LEFT_OUT: Final = {"delivery": "best_effort", "queue": 5}
QUICK: Final = {"engine": {"kind": "null", "objects": 3}}


def settings(server: Receiver, folder: Path) -> Path:
    sinks: list[dict[str, Any]] = [
        {"kind": "jsonl"},
        {"kind": "sql", "send": "frames"},
        {"kind": "webhook", "url": server.url, "send": "frames", "queue": 20},
        {"kind": "python", "call": "my_receiver:keep", "path": str(HERE), "send": "frames"},
        {
            "kind": "webhook",
            "name": "nobody",
            "url": "http://127.0.0.1:9/",
            "delivery": "best_effort",
            "queue": 5,
            "send": "frames",
        },
    ]
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({"annotator": {"sinks": sinks}, "detector": QUICK}))
    return path


def test_a_killed_annotator_loses_nothing_that_is_required(material: Material, tmp_path: Path) -> None:
    out, kept = tmp_path / "out", tmp_path / "kept.jsonl"
    with receiving() as server:
        server.answers = [(status, {}) for status in (503, 503, 503, 204, 204, 500)]
        server.hang_up = 1
        server.refuses = b'"seq":30,'
        arguments = ("run", material.clip, "--model", material.model, "--output", out)
        with Running(*arguments, "--config", settings(server, tmp_path), env={"KEPT": kept}) as run:
            run.until(lambda: len(server.got) >= FRAMES // 4, "some requests")
            os.kill(run.stages()["annotator"], signal.SIGKILL)
            ended = run.wait()
    assert ended.code == 0, ended.err
    assert [line["seq"] for line in lines(out)] == list(range(FRAMES))
    _check_rows(out / "detections.sqlite")
    _check_firsts([json.loads(request.body) for request in server.got])
    _check_firsts([json.loads(line) for line in kept.read_text().splitlines()], without=7)
    assert len({request.headers["idempotency-key"] for request in server.got}) == FRAMES
    _check_counts(source_in(manifest(out))["deliveries"])
    assert "not all was sent to nobody" in ended.out and "1 refused" in ended.out


def _check_rows(database: Path) -> None:
    """See that each frame is there once, with its detections, and nothing else."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT seq, detections FROM frames ORDER BY seq").fetchall()
        found = dict(connection.execute("SELECT seq, count(*) FROM detections GROUP BY seq").fetchall())
    connection.close()
    assert [seq for seq, _ in rows] == list(range(FRAMES))
    assert {seq: number for seq, number in rows if number} == found


def _check_firsts(items: list[dict[str, Any]], without: int | None = None) -> None:
    """See that the first copies are complete and in order, and that copies differ in nothing."""
    firsts: dict[str, dict[str, Any]] = {}
    for item in items:
        assert firsts.setdefault(item["id"], item) == item
    assert [item["seq"] for item in firsts.values()] == [seq for seq in range(FRAMES) if seq != without]
    assert max(Counter(item["id"] for item in items).values()) <= 6


def _check_counts(deliveries: dict[str, dict[str, int]]) -> None:
    assert deliveries["sql"] == {"sent": FRAMES, "missed": 0, "refused": 0}
    assert deliveries["python"] == {"sent": FRAMES - 1, "missed": 0, "refused": 1}
    assert deliveries["webhook"] == {"sent": FRAMES - 1, "missed": 0, "refused": 1}
    assert deliveries["nobody"]["sent"] == 0 and deliveries["nobody"]["missed"] >= FRAMES


def test_a_required_peer_that_is_away_stops_the_run_and_a_resume_sends_the_rest(
    material: Material, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with receiving() as server:
        sinks = [{"kind": "jsonl"}, {"kind": "webhook", "url": server.url, "send": "frames", "queue": 4}]
        config = tmp_path / "run.yaml"
        config.write_text(yaml.safe_dump({"annotator": {"sinks": sinks}, "flow": {"window": 8}, "detector": QUICK}))
        arguments = ("run", material.clip, "--model", material.model, "--output", out, "--config", config)
        server.answers = [(204 if number < 20 else 503, {}) for number in range(10_000)]
        with Running(*arguments) as run:
            run.until(lambda: len(server.got) >= 22, "the first refusals")
            run.until(lambda: count(out) >= 20, "some lines")
            assert count(out) < FRAMES - 40, "the archive waits"
            run.signal(signal.SIGINT)
            assert run.wait().code == 130
        server.answers.clear()
        with Running(*arguments, "--resume") as run:
            ended = run.wait()
    assert ended.code == 0, ended.err
    delivered = [json.loads(request.body) for request in server.got]
    assert [*dict.fromkeys(item["seq"] for item in delivered)] == list(range(FRAMES))
    assert len({item["id"] for item in delivered}) == FRAMES, "the run's name is the same after a resume"
