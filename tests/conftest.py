"""What tests of every part share: reference data outside the repository, and a broker."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings
from redis import Redis

from pipeline.embedded_broker import EmbeddedBroker
from pipeline.redis_broker import RedisBroker

pytest_plugins = ["tests.e2e.fixtures"]  # one session shares them between tests/e2e and tests/faults

settings.register_profile("untimed", deadline=None)  # how fast a machine is, is no property of the code
settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_finish() -> None:
    """Leave out what is imported from collections, as stages do: some parts ask for one again and again."""
    gc.collect()
    gc.freeze()


def missing(what: str) -> NoReturn:
    """Skip on a person's machine; fail where everything has to be tested."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def flushed(url: str) -> str:
    """Empty the broker and return its URL."""
    with Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data that are too large for the repository."""
    if not SHARED.is_dir():
        missing(f"the reference data are not beside the repository: {SHARED.name}/ is missing")
    return SHARED


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedBroker]:
    """One embedded server for all tests; a folder of its own, as a socket's path is limited to 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="detstream-") as folder, EmbeddedBroker(Path(folder)) as server:
        yield server


@pytest.fixture
def broker(valkey: EmbeddedBroker) -> Iterator[RedisBroker]:
    """A connection to a broker that has forgotten the test before."""
    connection = RedisBroker(flushed(valkey.url))
    yield connection
    connection.close()
