"""Commands beside a run reach its broker, or the one that the environment names, or say which runs there are."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from pipeline.cli.live_run import RUN_FOLDER
from pipeline.cli.reach import reached
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import BrokerUnreachableError, ConfigError
from pipeline.registry import Registry, Wish
from tests.conftest import flushed

KEY = "the key of the run itself"
OWN_KEY = "the key of the environment"
Begin: TypeAlias = Callable[..., None]


@pytest.fixture
def url(valkey: EmbeddedBroker) -> str:
    return flushed(valkey.url)


@pytest.fixture(autouse=True)
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Let a run leave its note; the environment says nothing."""
    for name in os.environ:
        if name.upper().startswith("DETSTREAM_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def write(url: str, pid: int = os.getpid(), key: str = KEY) -> None:
        folder = tmp_path / f"{RUN_FOLDER}{pid}-x"
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps({"pid": pid, "url": url, "secret_key": key}))

    return write


def test_the_only_run_of_this_machine_is_reached_and_its_key_used(url: str, begin: Begin) -> None:
    begin(url)
    with reached(None) as (broker, seal):
        Registry(broker).put(Wish("gate", "rtsp://cam1", seal.close("rtsp://joe:s3cret@cam1"), {}))
    with reached(os.getpid()) as (broker, seal):
        assert seal.has_key and seal.open(Registry(broker).read()["gate"].url) == "rtsp://joe:s3cret@cam1"


def test_the_broker_of_the_environment_goes_before_a_run(
    url: str, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin("redis://localhost:1")
    monkeypatch.setenv("DETSTREAM_REDIS__URL", url)
    with reached(None) as (broker, seal):
        assert broker.increment("h", "a") == 1 and not seal.has_key


def test_a_run_on_the_broker_of_the_environment_gives_its_key(
    url: str, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(url)
    monkeypatch.setenv("DETSTREAM_REDIS__URL", url)
    with reached(None) as (_, seal):
        assert seal.has_key


def test_the_key_of_the_environment_goes_before_that_of_a_run(
    url: str, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(url)
    monkeypatch.setenv("DETSTREAM_SECRET_KEY", OWN_KEY)
    with reached(None) as (_, seal):
        sealed = seal.close("text")
    monkeypatch.delenv("DETSTREAM_SECRET_KEY")
    with reached(None) as (_, seal), pytest.raises(ConfigError, match="another DETSTREAM_SECRET_KEY"):
        seal.open(sealed)


def test_without_a_run_and_a_broker_it_is_said_how_to_have_one() -> None:
    with pytest.raises(ConfigError, match="start one, or set DETSTREAM_REDIS__URL"), reached(None):
        pass


def test_of_several_runs_one_has_to_be_named(url: str, begin: Begin) -> None:
    begin("redis://localhost:1", os.getppid())
    begin(url)
    with pytest.raises(ConfigError, match=r"choose one with --run \d+ or \d+$"), reached(None):
        pass
    with reached(os.getpid()) as (broker, _):
        assert broker.increment("h", "a") == 1


def test_a_run_that_there_is_not_is_named(begin: Begin, url: str) -> None:
    begin(url)
    with pytest.raises(ConfigError, match="no `detstream run` of yours has the process 7"), reached(7):
        pass


def test_a_broker_that_is_gone_is_said(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETSTREAM_REDIS__CONNECT_TIMEOUT_S", "0.1")
    begin("unix:///nowhere/redis")
    with pytest.raises(BrokerUnreachableError, match="no broker answered"), reached(None):
        pass
