"""`detstream sources` changes what is wished for, and shows how the cameras do, without their secrets."""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline import keys
from pipeline.cli.main import app
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import ConfigError
from pipeline.ledger import Ledger
from pipeline.metrics import LatencyHistogram
from pipeline.redis_broker import RedisBroker
from pipeline.registry import Registry, Wish
from pipeline.seal import Seal
from stages.decoder.live.states import Reporter, State, Tally, tell

KEY = "any long text will do"
SECRET = "s3cret"
URL = f"rtsp://joe:{SECRET}@cam1/stream1"


@pytest.fixture(autouse=True)
def _environment(valkey: EmbeddedBroker, broker: RedisBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("DETSTREAM_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # no run of this machine's user is looked at
    monkeypatch.setenv("DETSTREAM_REDIS__URL", valkey.url)
    monkeypatch.setenv("DETSTREAM_SECRET_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "200")


def said(*arguments: str) -> str:
    """Run `detstream sources` and return its output; an error is raised."""
    result = CliRunner().invoke(app, ["sources", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert SECRET not in result.output
    return result.output


def listed() -> dict[str, dict[str, Any]]:
    return {row["source"]: row for row in json.loads(said("list", "--json"))}


def wished(broker: RedisBroker) -> dict[str, Wish]:
    return Registry(broker).read()


def takes(broker: RedisBroker, state: State, name: str = "gate", **troubles: str) -> Reporter:
    """Let a decoder take a camera and tell of it."""
    epoch = Ledger(broker, name).begin_epoch(live=True)
    reporter = Reporter(broker, name, Tally(captured=100, corrupt=3, offered=60, skipped=10))
    reporter.change(state, epoch=epoch, **troubles)
    return reporter


def test_a_camera_is_added_with_its_options_and_its_url_sealed(broker: RedisBroker) -> None:
    options = ("--fps", "5", "--roi", "0,0.4,1,1", "--motion", "--transport", "udp", "--keyframes-only")
    assert said("add", f"gate={URL}", *options, "--corrupt", "mark", "--hwaccel", "auto") == "gate: added\n"
    wish = wished(broker)["gate"]
    assert Seal(KEY).open(wish.url) == URL and wish.origin == "user"
    assert wish.settings == {
        "fps": 5.0,
        "roi": [0.0, 0.4, 1.0, 1.0],
        "motion": {"enabled": True},
        "transport": "udp",
        "keyframes_only": True,
        "corrupt": "mark",
        "hwaccel": "auto",
    }
    assert SECRET not in repr(broker.get_fields(keys.REGISTRY))


def test_added_again_a_camera_is_changed(broker: RedisBroker) -> None:
    said("add", f"gate={URL}", "--fps", "5")
    first = wished(broker)["gate"]
    said("add", f"gate={URL}", "--no-motion")
    second = wished(broker)["gate"]
    assert second.settings == {} and second.revision > first.revision


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gate=clip.mp4",), "clip.mp4 does not exist"),
        ((f"gate=gopher://joe:{SECRET}@cam1",), "gopher:// is no kind of source"),
        ((f"gate={URL}", "--roi", "1,2,3"), "roi: write LEFT,TOP,RIGHT,BOTTOM"),
        ((f"gate={URL}", "--corrupt", "eat"), "corrupt: 'eat': Input should be 'drop' or 'mark'"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(
    broker: RedisBroker, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        said("add", *arguments)
    assert message in str(caught.value) and SECRET not in str(caught.value)
    assert wished(broker) == {}


def test_without_a_key_a_secret_is_not_put_into_the_broker(
    broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DETSTREAM_SECRET_KEY")
    with pytest.raises(ConfigError, match="gate: its URL holds a secret"):
        said("add", f"gate={URL}")
    assert wished(broker) == {}
    said("add", "gate=rtsp://joe:${GATE_PASSWORD}@cam1/stream1")
    assert Seal(None).open(wished(broker)["gate"].url) == "rtsp://joe:${GATE_PASSWORD}@cam1/stream1"


def test_a_camera_is_paused_goes_on_and_is_removed(broker: RedisBroker) -> None:
    said("add", f"gate={URL}")
    assert said("pause", "gate") == "gate: paused\n"
    assert wished(broker)["gate"].paused and listed()["gate"]["state"] == "paused"
    assert said("resume", "gate") == "gate: goes on\n"
    assert not wished(broker)["gate"].paused
    assert said("remove", "gate") == "gate: removed\n"
    assert wished(broker)["gate"].removed and listed() == {}


@pytest.mark.parametrize("command", ["pause", "resume", "remove"])
def test_who_is_not_there_is_said_with_those_who_are(command: str) -> None:
    said("add", f"yard={URL}")
    with pytest.raises(ConfigError, match="no source 'gate'; there are: yard"):
        said(command, "gate")


def test_a_camera_that_nobody_has_taken_yet_waits() -> None:
    said("add", f"gate={URL}")
    row = listed()["gate"]
    assert (row["state"], row["address"], row["since_s"]) == ("waiting", "rtsp://cam1/stream1", None)
    assert (row["captured"], row["dropped"], row["latency_p50_s"], row["last_code"]) == (0, 0, None, None)


def test_what_decoders_and_tracker_have_counted_is_shown(broker: RedisBroker) -> None:
    said("add", f"gate={URL}")
    takes(broker, "reconnecting", code="timeout", error="does not answer in time")
    reporter = takes(broker, "live")
    reporter.refresh()
    latency = LatencyHistogram()
    latency.add(0.04)
    with broker.transaction() as transaction:
        counts: dict[str, int | bytes] = {"ok": 40, "failed": 2, "skipped": 10, "latency": latency.to_bytes()}
        transaction.set_fields(keys.checkpoint("gate"), counts)
    row = listed()["gate"]
    assert (row["state"], row["captured"], row["corrupt"], row["reconnects"]) == ("live", 200, 6, 1)
    assert (row["detected"], row["failed"], row["skipped"], row["dropped"]) == (40, 2, 10, 148)
    assert row["latency_p50_s"] == pytest.approx(0.04, rel=0.06) and 0 <= row["since_s"] < 60
    assert (row["code"], row["last_code"], row["last_error"]) == (None, "timeout", "does not answer in time")


def test_the_table_says_the_same_in_a_line_a_camera(broker: RedisBroker) -> None:
    said("add", f"gate={URL}")
    said("add", "yard=sim://street?fps=5")
    takes(broker, "failed", code="auth", error="wrong user name or password")
    lines = {line.split()[0]: line for line in said("list").splitlines() if line.strip()}
    assert lines.keys() == {"source", "gate", "yard", "gate:"}
    assert all(word in lines["gate"] for word in ("failed", "100", "rtsp://cam1/stream1"))
    assert lines["gate:"] == "gate: last error auth: wrong user name or password"
    assert "waiting" in lines["yard"] and "sim://street?fps=5" in lines["yard"]


def test_signs_of_markup_are_shown_as_they_are(broker: RedisBroker) -> None:
    said("add", "gate=play:[red]clip[/].mp4")
    tell(broker, "gate", "failed", "settings", "url: [bold]no[/]")
    listed = said("list")
    assert "play:[red]clip[/].mp4" in listed and "gate: last error settings: url: [bold]no[/]" in listed


@pytest.mark.parametrize("state", ["connecting", "live", "stalled", "reconnecting"])
def test_a_camera_whose_decoder_is_gone_waits_for_another(broker: RedisBroker, state: State) -> None:
    said("add", f"gate={URL}")
    takes(broker, state)
    assert listed()["gate"]["state"] == state
    Ledger(broker, "gate").write({"seen_ns": time.time_ns() - 60 * 10**9, "rate": 25.0})
    row = listed()["gate"]
    assert (row["state"], row["fps"]) == ("waiting", 0.0)


@pytest.mark.parametrize("state", ["failed", "ended"])
def test_where_nobody_is_expected_to_say_more_the_state_stays(broker: RedisBroker, state: State) -> None:
    said("add", f"gate={URL}")
    takes(broker, state)
    Ledger(broker, "gate").write({"seen_ns": time.time_ns() - 60 * 10**9})
    assert listed()["gate"]["state"] == state


def test_without_a_camera_the_list_is_empty() -> None:
    assert listed() == {} and said("list").split()[0] == "source"


def test_a_run_that_there_is_not_is_said() -> None:
    with pytest.raises(ConfigError, match="no `detstream run` of yours has the process 7"):
        said("list", "--run", "7")
