"""Every kind of broker, for the suites that all of them have to pass."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.broker import Broker
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.redis_broker import RedisBroker
from tests.conftest import flushed, missing
from tests.fakes import MemoryBroker
from tests.pipeline.broker_steps import CLAIM_AFTER_S


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedBroker]:
    server = shutil.which("redis-server")
    if server is None:
        missing("no redis-server: apt-get install redis-server")
    with (
        tempfile.TemporaryDirectory(prefix="detstream-") as folder,
        EmbeddedBroker(Path(folder), server=Path(server)) as running,
    ):
        yield running


@pytest.fixture(params=["memory", "valkey", "redis_server"])
def any_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    connection: Broker
    if request.param == "memory":
        connection = MemoryBroker(claim_after_s=CLAIM_AFTER_S)
    else:
        url = flushed(request.getfixturevalue(request.param).url)
        connection = RedisBroker(url, claim_after_s=CLAIM_AFTER_S)
    yield connection
    connection.close()
