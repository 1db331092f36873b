"""`detstream dead-letters`: what a sink was refused is found, shown, tried again and removed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline import keys
from pipeline.broker import Delivery
from pipeline.cli.main import app
from pipeline.dead_letters import bury, bury_parcel
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import ConfigError
from pipeline.redis_broker import RedisBroker
from tests.peers.http import Receiver, receiving
from tests.stages.annotator.couriers.parcels import event_parcel


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def config(tmp_path: Path, server: Receiver) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(f"annotator: {{output: {tmp_path}, sinks: [{{kind: webhook, name: alarm, url: '{server.url}'}}]}}")
    return path


def fill(broker: RedisBroker) -> None:
    with broker.transaction() as transaction:
        for seq in range(3):
            parcel = event_parcel(seq)
            bury_parcel(transaction, "alarm", "gate", parcel.id, parcel.json(), f"host answers 422: box {seq}")
        bury(transaction, Delivery(keys.FRAMES, "7-0", b"\xc1"), "damaged message")


@pytest.fixture(autouse=True)
def _url(valkey: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETSTREAM_REDIS__URL", valkey.url)
    monkeypatch.setenv("COLUMNS", "200")


def asked(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["dead-letters", *map(str, arguments)])


def rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in asked("list", "--json").stdout.splitlines()]


def test_letters_are_listed_and_shown(broker: RedisBroker) -> None:
    assert "no dead letters" in asked("list").stderr
    fill(broker)
    found = rows()
    assert [row["entry"] for row in found] == ["gate/0-0", "gate/1-0", "gate/2-0", "7-0"]
    assert [row["sink"] for row in found] == ["alarm"] * 3 + [""]
    table = asked("list", "--sink", "alarm").stdout
    assert "box 1" in table and "damaged" not in table
    shown = json.loads(asked("show", found[1]["id"]).stdout)
    assert shown["body"]["zone"] == "yard" and shown["reason"] == "host answers 422: box 1"


def test_a_retry_sends_what_a_sink_could_not_and_keeps_what_it_still_can_not(
    broker: RedisBroker, server: Receiver, config: Path
) -> None:
    fill(broker)
    server.refuses = b'"seq":1,'
    ended = asked("retry", "--sink", "alarm", "--config", config)
    assert ended.exit_code == 1 and "2 of 3 done" in ended.stderr and "422" in ended.stderr
    assert [request.headers["idempotency-key"] for request in server.got] == ["gate/0-0", "gate/1-0", "gate/2-0"]
    assert [row["entry"] for row in rows()] == ["gate/1-0", "7-0"]


def test_a_retry_puts_an_entry_back_into_its_queue(broker: RedisBroker) -> None:
    fill(broker)
    ended = asked("retry", rows()[3]["id"])
    assert ended.exit_code == 0, ended.stderr
    assert [delivery.body for delivery in broker.read({keys.FRAMES: "0"}, 9, 0)] == [b"\xc1"]
    assert len(rows()) == 3


def test_purged_letters_are_gone(broker: RedisBroker) -> None:
    fill(broker)
    assert "1 removed" in asked("purge", rows()[0]["id"]).stderr
    assert "3 removed" in asked("purge", "--all").stderr
    assert rows() == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("show", "1-1"), "no dead letter 1-1"),
        (("purge",), "name the letters, or --all"),
        (("retry", "--sink", "alarm"), "no sink alarm in the settings: give the run's file with --config"),
    ],
)
def test_what_is_not_there_is_said(broker: RedisBroker, arguments: tuple[str, ...], complaint: str) -> None:
    fill(broker)
    with pytest.raises(ConfigError, match=complaint):
        CliRunner().invoke(app, ["dead-letters", *arguments], catch_exceptions=False)
