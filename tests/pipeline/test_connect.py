"""What settings ask for is what is opened; what is missing is said."""

import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.connect import open_broker, open_store, ring_folder
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import ConfigError
from pipeline.frame import Pictures
from pipeline.messages import FrameMeta
from pipeline.redis_store import RedisStore
from pipeline.settings import FlowSettings, KernelSettings, RedisSettings
from tests.conftest import flushed


def test_a_broker_needs_a_url() -> None:
    with pytest.raises(ConfigError, match="set DETSTREAM_REDIS__URL"):
        open_broker(KernelSettings())


def test_a_broker_is_opened_at_its_url(valkey: EmbeddedBroker) -> None:
    broker = open_broker(KernelSettings(redis=RedisSettings(url=flushed(valkey.url))))
    assert broker.increment("h", "a") == 1
    broker.close()


def test_a_store_in_redis_needs_a_url() -> None:
    with pytest.raises(ConfigError, match=r"flow.frame_store is redis, but redis.url is not set"):
        open_store(KernelSettings(flow=FlowSettings(frame_store="redis")))


def test_a_store_in_redis_is_opened_at_its_url(valkey: EmbeddedBroker) -> None:
    settings = KernelSettings(flow=FlowSettings(frame_store="redis"), redis=RedisSettings(url=flushed(valkey.url)))
    store = open_store(settings)
    assert isinstance(store, RedisStore)
    store.close()


def test_pictures_that_one_stage_stores_are_found_by_another_of_the_same_settings(tmp_path: Path) -> None:
    settings = KernelSettings(ring_folder=tmp_path / "a" / "b", name="one")
    image = np.full((4, 4, 3), 7, np.uint8)
    decoder, detector = open_store(settings), open_store(settings.model_copy(update={"name": "two"}))
    decoder.create("gate", 1, 2, image.nbytes).put(FrameMeta("gate", 1, 0, 0.0, 4, 4), Pictures(image))
    assert (detector.detect("gate", 1, 0) == image).all()
    detector.close()
    decoder.close()


def test_runs_on_other_brokers_do_not_share_pictures(tmp_path: Path) -> None:
    stores = [
        open_store(KernelSettings(ring_folder=tmp_path, redis=RedisSettings(url=f"redis://localhost/{number}")))
        for number in range(2)
    ]
    image = np.zeros((2, 2, 3), np.uint8)
    writers = [store.create("gate", 1, 1, image.nbytes) for store in stores]
    for number, writer in enumerate(writers):
        writer.put(FrameMeta("gate", 1, 0, 0.0, 2, 2), Pictures(image + np.uint8(number)))
    assert [store.detect("gate", 1, 0).max() for store in stores] == [0, 1]
    for store in stores:
        store.close()


def test_a_folder_for_rings_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = ring_folder(KernelSettings(ring_folder=tmp_path / "rings"))
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"ring_folder .*/file/rings: can't be made: "):
        ring_folder(KernelSettings(ring_folder=tmp_path / "file" / "rings"))


def test_without_a_setting_the_folder_is_this_users() -> None:
    assert str(os.getuid()) in ring_folder(KernelSettings()).name
