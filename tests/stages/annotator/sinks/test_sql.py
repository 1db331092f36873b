"""Rows are there exactly once, in SQLite and in a real PostgreSQL, whatever is sent again and whoever dies."""

import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import create_engine, text

from stages.annotator.sinks.sql import SqlSink
from tests.peers.postgres import Postgres
from tests.pipeline.broker_steps import wait_for
from tests.stages.annotator.couriers.parcels import event_parcel, frame_parcel
from tests.stages.annotator.sinks.sending import sending


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="detstream-") as folder:
        server = Postgres(Path(folder))
        yield server
        server.kill()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/rows.sqlite"
    server: Postgres = request.getfixturevalue("postgres")
    rows(server.url, "DROP TABLE IF EXISTS frames, detections, events")
    return server.url


def rows(url: str, query: str) -> list[Any]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.begin() as connection:
            found = connection.execute(text(query))
            return [tuple(row) for row in found] if found.returns_rows else []
    finally:
        engine.dispose()


def test_frames_detections_and_events_are_rows(url: str) -> None:
    with sending(SqlSink(url=url)) as sender:
        sender.send(frame_parcel(0), event_parcel(0), frame_parcel(1))
    assert rows(url, "SELECT run, source, epoch, seq, status, detections FROM frames ORDER BY seq") == [
        ("run1", "gate", 0, 0, "ok", 2),
        ("run1", "gate", 0, 1, "ok", 2),
    ]
    assert rows(url, "SELECT seq, number, class_name FROM detections ORDER BY seq, number")[:2] == [
        (0, 0, "car"),
        (0, 1, "person"),
    ]
    ((ident, kind, x1, y2, zone),) = rows(url, "SELECT id, kind, x1, y2, zone FROM events")
    assert (ident, kind, x1, y2, zone) == ("gate/0-0", "crossed", 1.0, 4.0, "yard")


def test_what_is_sent_again_is_there_once(url: str) -> None:
    for _ in range(2):
        with sending(SqlSink(url=url)) as sender:
            sender.send(*(frame_parcel(seq) for seq in range(30)), event_parcel(3))
            sender.send(*(frame_parcel(seq) for seq in range(20, 40)), event_parcel(3))
    assert rows(url, "SELECT count(*), count(DISTINCT seq) FROM frames") == [(40, 40)]
    assert rows(url, "SELECT count(*) FROM detections") == [(80,)]
    assert rows(url, "SELECT count(*) FROM events") == [(1,)]


def test_another_run_into_the_same_database_is_told_apart(url: str) -> None:
    again = frame_parcel(0)
    again = replace(again, body={**again.body, "run": "run2"})
    with sending(SqlSink(url=url)) as sender:
        sender.send(frame_parcel(0), again)
    assert rows(url, "SELECT run FROM frames ORDER BY run") == [("run1",), ("run2",)]


def test_what_a_constraint_refuses_is_buried_and_the_rest_goes_on(url: str) -> None:
    with sending(SqlSink(url=url)) as sender:
        sender.send(event_parcel(0))
        rows(url, f"CREATE UNIQUE INDEX one_{url[:4]} ON events (seq)")
        poison = event_parcel(0)
        sender.send(
            event_parcel(1), replace(poison, body={**poison.body, "id": "another", "zone": None}), event_parcel(2)
        )
        buried = [parcel.seq for parcel, _ in sender.buried]
    kept = rows(url, "SELECT seq FROM events ORDER BY seq")
    # SQLite's ON CONFLICT leaves alone what any unique index refuses, PostgreSQL's only what the key does.
    assert kept == [(0,), (1,), (2,)] and buried == ([] if url.startswith("sqlite") else [0])


def test_text_that_a_database_cannot_hold_is_buried(postgres: Postgres) -> None:
    rows(postgres.url, "DROP TABLE IF EXISTS frames, detections, events")
    poison = event_parcel(1)
    with sending(SqlSink(url=postgres.url)) as sender:
        sender.send(event_parcel(0), replace(poison, body={**poison.body, "zone": "a\0b"}), event_parcel(2))
        assert [parcel.seq for parcel, _ in sender.buried] == [1]
    assert rows(postgres.url, "SELECT seq FROM events ORDER BY seq") == [(0,), (2,)]


def test_a_database_that_dies_in_between_has_everything_once(postgres: Postgres) -> None:
    rows(postgres.url, "DROP TABLE IF EXISTS frames, detections, events")
    with sending(SqlSink(url=postgres.url)) as sender:
        sender.send(*(frame_parcel(seq) for seq in range(50)))
        postgres.kill()
        sender.post(*(frame_parcel(seq) for seq in range(50, 400)))
        wait_for(lambda: sender.courier.failing)
        postgres.start()
        sender.send(frame_parcel(400))
    assert rows(postgres.url, "SELECT count(*), count(DISTINCT seq) FROM frames") == [(401, 401)]
    assert rows(postgres.url, "SELECT count(*) FROM detections") == [(802,)]


def test_a_file_that_is_locked_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.annotator.sinks.sql._CONNECT_S", 0.1)
    with sending(SqlSink(), tmp_path) as sender:
        sender.send(frame_parcel(0))
        other = sqlite3.connect(tmp_path / "detections.sqlite", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        sender.post(frame_parcel(1))
        wait_for(lambda: sender.courier.failing)
        other.execute("ROLLBACK")
        other.close()
        sender.send(frame_parcel(2))
        assert sender.buried == []
    assert rows(f"sqlite:///{tmp_path}/detections.sqlite", "SELECT count(*) FROM frames") == [(3,)]


def test_a_wrong_address_is_refused_at_once() -> None:
    with pytest.raises(ValidationError, match="give sqlite:///FILE or postgresql://"):
        SqlSink(url="mysql://host/db")
    with pytest.raises(ValidationError, match="a password is written as"):
        SqlSink(url="postgresql://joe:secret@host/db")
