"""`detstream subscribe` prints what there is and what comes, and ends in one line."""

import csv
import io
import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.main import app
from pipeline.cli.times import instant
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import BrokerUnreachableError, ConfigError
from pipeline.ledger import Ledger
from pipeline.messages import EndOfSource
from pipeline.redis_broker import RedisBroker
from tests.pipeline.client.publishing import NOW_S, event, frame, publish, recorded, state

START = datetime.fromtimestamp(NOW_S, UTC).isoformat()


@pytest.fixture(autouse=True)
def _environment(valkey: EmbeddedBroker, broker: RedisBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("DETSTREAM_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # no run of this machine's user is looked at
    monkeypatch.setenv("DETSTREAM_REDIS__URL", valkey.url)


def printed(*arguments: str) -> Result:
    """Run `detstream subscribe` up to what there is now; an error is raised."""
    result = CliRunner().invoke(app, ["subscribe", "--since", "earliest", "--until", "now", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result


def objects(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed(*arguments).stdout.splitlines()]


def test_every_message_is_a_line_of_json(broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), frame("gate", 1, error="damaged"), frame("gate", 2, skipped="motion", classes=()))
    publish(broker, frame("gate", 5, dropped_before=2), state("gate", "failed", code="auth"))
    seen, failed, skipped, later, told = objects()
    assert (seen["type"], seen["source"], seen["seq"], seen["status"]) == ("frame", "gate", 0, "ok")
    assert seen["timestamp"] == "2023-11-14T22:13:20.000Z" and seen["detections"][0]["class_name"] == "car"
    assert (failed["type"], failed["error"], failed["timestamp"]) == ("failed", "damaged", "2023-11-14T22:13:20.100Z")
    assert (skipped["type"], skipped["reason"]) == ("skipped", "motion")
    assert (later["seq"], later["missed_before"], later["id"]) == (5, 4, f"{int(NOW_S * 1000) + 500}-5")
    assert (told["type"], told["state"], told["code"]) == ("state", "failed", "auth")


def test_sources_classes_and_expressions_choose(broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), frame("gate-2", 1, classes=("dog",)), frame("yard", 0))
    assert [line["source"] for line in objects("gate*")] == ["gate", "gate-2"]
    (line,) = objects("gate*", "--classes", "car", "--where", "confidence > 0.8")
    assert [found["class_name"] for found in line["detections"]] == ["car"]
    assert objects("--where", "confidence > 1") == []


def test_a_time_begins_and_ends_it(broker: RedisBroker) -> None:
    publish(broker, *(frame("gate", seq) for seq in range(30)))
    until = (datetime.fromtimestamp(NOW_S, UTC) + timedelta(seconds=1.2)).isoformat()
    since = (datetime.fromtimestamp(NOW_S, UTC) + timedelta(seconds=1)).isoformat()
    result = CliRunner().invoke(app, ["subscribe", "--since", since, "--until", until])
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [10, 11, 12]


def test_a_table_is_for_people(broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0, classes=("car", "car", "dog")), frame("gate", 3, classes=(), dropped_before=2))
    publish(broker, recorded("clip", 3), EndOfSource("clip", 1, 4), state("gate", "failed", code="auth", error="no"))
    lines = printed("--format", "table").stdout.splitlines()
    assert [line[14:].split(maxsplit=1) for line in lines] == [
        ["clip", "#3  1 car, 1 dog"],
        ["gate", "#0  2 car, 1 dog"],
        ["gate", "#3  nothing  (2 missed before)"],
        ["clip", "ended after 4 frames"],
        ["gate", "is failed: no"],
    ]
    assert lines[0].startswith("00:00:00.300")


def test_a_row_of_csv_is_an_object_and_the_rest_is_told_aside(broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), state("gate", "failed", error="wrong, password"))
    result = printed("--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["class_name"], row["x2"], row["tracker_id"]) for row in rows] == [
        ("car", "2.0", ""),
        ("dog", "6.0", "1"),
    ]
    assert "gate" in result.stderr and "is failed: wrong, password" in result.stderr


@pytest.mark.parametrize("form", ["jsonl", "table", "csv"])
def test_events_are_printed_in_every_form(broker: RedisBroker, form: str) -> None:
    publish(broker, event("gate", 1), event("yard", 2, "enter"), frame("gate", 1))
    out = printed("--events", "--format", form, "--where", "kind == 'crossed'").stdout
    assert "crossed" in out and "door" in out and "enter" not in out


def test_history_is_replayed_as_fast_as_it_was_or_faster(broker: RedisBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("pipeline.cli.subscribing.time.sleep", waits.append)
    monkeypatch.setattr("pipeline.cli.subscribing.time.monotonic", lambda: 100.0)
    publish(broker, frame("gate", 0), frame("gate", 10, dropped_before=9), frame("gate", 30, dropped_before=19))
    assert len(objects("--speed", "2x")) == 3
    assert waits == pytest.approx([0.0, 0.5, 1.5])


def test_who_is_not_there_yet_is_named(broker: RedisBroker) -> None:
    Ledger(broker, "yard").begin_epoch(live=True)
    assert "no source gate yet: waiting for it; there are: yard" in printed("gate", "yard*").stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--where", "speed > 1"], "'speed' is no name; there are: area"),
        (["--since", "yesterday"], "is no time: write -5m"),
        (["--until", "25:00"], "is no time: write -5m"),
        (["--speed", "fast"], "write 1x, 2x or 0.5x"),
        (["--speed", "0x"], "write 1x, 2x or 0.5x"),
        (["--redis", "http://localhost"], "is no URL of a broker"),
        (["--events", "--until", "end"], "have no end"),
    ],
)
def test_what_was_typed_wrong_is_one_line(arguments: list[str], complaint: str) -> None:
    result = CliRunner().invoke(app, ["subscribe", *arguments])
    assert isinstance(result.exception, ConfigError)
    assert complaint in str(result.exception) and "\n" not in str(result.exception)


def test_without_redis_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETSTREAM_REDIS__CONNECT_TIMEOUT_S", "0.1")
    result = CliRunner().invoke(app, ["subscribe", "--redis", "unix:///nowhere/redis"])
    assert isinstance(result.exception, BrokerUnreachableError)
    monkeypatch.delenv("DETSTREAM_REDIS__URL")
    result = CliRunner().invoke(app, ["subscribe"])
    assert isinstance(result.exception, ConfigError) and "set DETSTREAM_REDIS__URL" in str(result.exception)


def test_times_are_read_as_people_write_them() -> None:
    now = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    assert instant("-5m", now) == instant("5m", now) == now - timedelta(minutes=5)
    assert instant("now", now) == now
    assert instant("2026-11-25T07:30Z", now) == instant("2026-11-25T08:30+01:00", now) == now.replace(hour=7, minute=30)
    local = now.astimezone().replace(hour=7, minute=30, second=0)
    assert instant("07:30", now) == local
