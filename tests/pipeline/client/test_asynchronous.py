"""An event loop gets the same, and goes on while it waits."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis

from detstream import FrameDetections, Gap, TrimmedError, subscribe_async
from pipeline import keys
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import BrokerError, BrokerUnreachableError
from pipeline.redis_broker import RedisBroker
from tests.pipeline.client.publishing import NOW_S, frame, publish, seqs


@pytest.fixture
def url(valkey: EmbeddedBroker, broker: RedisBroker) -> str:
    return valkey.url


def run(steps: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(steps, 30))


def test_frames_come_while_other_things_go_on(url: str, broker: RedisBroker) -> None:
    async def follow() -> None:
        async with subscribe_async(url, "gate") as frames:
            waiting = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0.01)
            assert not waiting.done()
            await asyncio.to_thread(publish, broker, frame("gate", 0), frame("gate", 1))
            assert seqs([await waiting, await anext(frames)]) == [("gate", 0), ("gate", 1)]
            assert frames.position == {"gate": f"{int(NOW_S * 1000) + 100}-1"}

    run(follow())


def test_reading_ends_where_it_should(url: str, broker: RedisBroker) -> None:
    publish(broker, *(frame("gate", seq) for seq in range(3)))
    broker.trim_before(keys.detections("gate"), f"{int(NOW_S * 1000) + 100}-1")

    async def read() -> None:
        start, until = datetime.fromtimestamp(NOW_S, UTC), datetime.fromtimestamp(NOW_S + 1, UTC)
        gap, *given = [item async for item in subscribe_async(url, start=start, until=until, messages=True)]
        assert gap == Gap("gate", None, 0) and seqs(given) == [("gate", 1), ("gate", 2)]
        async with subscribe_async(url, start=start, until=until, trimmed="raise") as frames:
            with pytest.raises(TrimmedError):
                await anext(frames)
            assert seqs([await anext(frames)]) == [("gate", 1)]

    run(read())


def test_a_group_is_shared_between_loops_and_threads(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), frame("gate", 1))

    async def work() -> None:
        async with subscribe_async(url, "gate", group="billing", consumer="b1", start="earliest") as frames:
            first = await anext(frames)
            assert isinstance(first, FrameDetections)
            await frames.ack(first)
        async with subscribe_async(url, "gate", group="billing", consumer="b1") as frames:
            assert seqs([await anext(frames)]) == [("gate", 1)]

    run(work())


def test_waiting_can_be_cancelled_and_goes_on_after(url: str, broker: RedisBroker) -> None:
    async def impatient() -> None:
        async with subscribe_async(url, "gate") as frames:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(frames), 0.05)
            await asyncio.to_thread(publish, broker, frame("gate", 0))
            assert seqs([await anext(frames)]) == [("gate", 0)]

    run(impatient())


def test_without_a_server_there_is_one_line(url: str) -> None:
    async def fail() -> None:
        with pytest.raises(BrokerUnreachableError, match="no broker answered at unix"):
            async for _ in subscribe_async("unix:///nowhere/redis", connect_timeout_s=0.1):
                pass
        with pytest.raises(BrokerError, match="is no URL of a broker"):
            subscribe_async("http://localhost")
        with Redis.from_url(url) as client:
            client.set(keys.detections("gate"), "no stream")
        with pytest.raises(BrokerError, match="WRONGTYPE"):
            async with subscribe_async(url, "gate"):
                pass

    run(fail())
