"""Subscribers outlive the server: they wait, and go on behind the last frame that they have."""

import asyncio
import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from detstream import subscribe, subscribe_async
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.redis_broker import RedisBroker
from tests.e2e.command import wait_for
from tests.pipeline.client.publishing import first, frame, publish, seqs


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="detstream-") as path:
        yield Path(path)


@pytest.fixture
def broken(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A server, and what kills it, lets another one take its place, and publishes frame 3 there."""
    server, over = EmbeddedBroker(folder), threading.Event()

    def replaced() -> None:
        with Redis.from_url(server.url) as client:
            wait_for(lambda: client.info("clients")["blocked_clients"], "somebody who waits")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        server.stop()
        with EmbeddedBroker(folder) as another:
            _publish(another.url, 3)
            over.wait(30)  # a server dies with the thread that has started it

    breaking = threading.Thread(target=replaced)
    with server:
        _publish(server.url, 0, 1, 2)
        yield server.url, breaking.start
        over.set()
        breaking.join()


def _publish(url: str, *numbers: int) -> None:
    broker = RedisBroker(url)
    publish(broker, *(frame("gate", seq) for seq in numbers))
    broker.close()


def test_a_subscriber_goes_on_when_the_server_comes_back(
    broken: tuple[str, Callable[[], None]], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    url, replace = broken
    with subscribe(url, "gate", start="earliest") as frames, caplog.at_level(logging.INFO, "detstream"):
        assert seqs(first(frames, 3)) == [("gate", 0), ("gate", 1), ("gate", 2)]
        replace()
        assert seqs(first(frames, 1)) == [("gate", 3)]
    assert any("broker gone" in line.message for line in caplog.records)
    assert capsys.readouterr().out == ""


def test_so_does_one_of_an_event_loop_and_of_a_group(broken: tuple[str, Callable[[], None]]) -> None:
    url, replace = broken

    async def follow() -> None:
        frames = subscribe_async(url, "gate", start="earliest")
        members = subscribe_async(url, "gate", start="earliest", group="billing", consumer="b1")
        async with frames, members:
            for subscription in (frames, members):
                assert seqs([await anext(subscription) for _ in range(3)])[-1] == ("gate", 2)
            replace()
            assert seqs(await asyncio.gather(anext(frames), anext(members))) == [("gate", 3)] * 2

    asyncio.run(asyncio.wait_for(follow(), 60))
