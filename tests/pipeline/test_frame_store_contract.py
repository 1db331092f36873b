"""What every frame store keeps to: the ring, the one in Redis, and the one in memory."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from pipeline.errors import FrameExpiredError, FramePendingError, FrameStoreError
from pipeline.frame import Matrix, Pictures, Planar
from pipeline.frame_store import FrameStore
from pipeline.messages import FrameMeta
from pipeline.redis_store import RedisStore, from_raw, to_raw
from pipeline.ring_store import RingStore
from tests.conftest import flushed
from tests.fakes_store import MemoryStore
from tests.planes import assert_same, noise

SLOTS = 4
SMALL, LARGE = (6, 8), (30, 40)
SLOT_BYTES = 3 * 6 * 8 + 30 * 40 * 3 // 2


@dataclass(frozen=True)
class Stores:
    """The same store, as seen by the process that writes and by one that reads."""

    writer: FrameStore
    reader: FrameStore


@pytest.fixture(params=["memory", "ring", "redis", "redis with a codec"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    both = Stores(*make_stores(request))
    yield both
    both.reader.close()
    both.writer.close()


def make_stores(request: pytest.FixtureRequest) -> tuple[FrameStore, FrameStore]:
    if request.param == "memory":
        store = MemoryStore()
        return store, store
    if request.param == "ring":
        folder = request.getfixturevalue("tmp_path") / "rings"
        return RingStore(folder, "decoder"), RingStore(folder, "detector")
    url = flushed(request.getfixturevalue("valkey").url)
    if request.param == "redis":
        return RedisStore(url), RedisStore(url)
    return RedisStore(url, compressed, decompressed), RedisStore(url, compressed, decompressed)


def compressed(image: NDArray[np.uint8]) -> bytes:
    return zlib.compress(to_raw(image), 1)


def decompressed(data: bytes) -> NDArray[np.uint8]:
    return from_raw(zlib.decompress(data))


def meta(seq: int, source: str = "gate", epoch: int = 0) -> FrameMeta:
    return FrameMeta(source, epoch, seq, seq / 25, 40, 30)


def image(seq: int, size: tuple[int, int] = SMALL) -> NDArray[np.uint8]:
    return np.random.default_rng(seq).integers(0, 256, (*size, 3), np.uint8)


def pictures(seq: int) -> Pictures:
    return Pictures(detect=image(seq, SMALL), full=full(seq))


def full(seq: int) -> Planar:
    return noise(seq, LARGE[1], LARGE[0], Matrix.BT709 if seq % 2 else Matrix.BT601)


def test_both_pictures_of_a_frame_come_back_as_they_were(stores: Stores) -> None:
    writer = stores.writer.create("gate", 0, SLOTS, SLOT_BYTES)
    for seq in range(SLOTS):
        writer.put(meta(seq), pictures(seq))
    for seq in range(SLOTS):
        assert_array_equal(stores.reader.detect("gate", 0, seq), image(seq, SMALL))
        assert_same(stores.reader.full("gate", 0, seq), full(seq))


def test_frames_that_were_overwritten_have_expired_and_the_newest_are_there(stores: Stores) -> None:
    writer = stores.writer.create("gate", 0, SLOTS, SLOT_BYTES)
    for seq in range(3 * SLOTS + 1):
        writer.put(meta(seq), pictures(seq))
    for seq in range(2 * SLOTS + 1):
        with pytest.raises(FrameExpiredError, match=f"frame {seq} of gate"):
            stores.reader.detect("gate", 0, seq)
    for seq in range(2 * SLOTS + 1, 3 * SLOTS + 1):
        assert_same(stores.reader.full("gate", 0, seq), full(seq))


@pytest.mark.parametrize("written", [0, 1, 2, SLOTS, SLOTS + 1])
def test_a_frame_that_was_not_written_yet_is_pending(stores: Stores, written: int) -> None:
    writer = stores.writer.create("gate", 0, SLOTS, SLOT_BYTES)
    for seq in range(written):
        writer.put(meta(seq), pictures(seq))
    for seq in (written, written + 1, written + SLOTS):
        with pytest.raises(FramePendingError):
            stores.reader.detect("gate", 0, seq)


def test_frames_of_a_source_or_epoch_that_is_not_there_yet_are_pending(stores: Stores) -> None:
    with pytest.raises(FramePendingError):
        stores.reader.detect("gate", 0, 0)
    stores.writer.create("gate", 0, SLOTS, SLOT_BYTES).put(meta(0), pictures(0))
    for source, epoch in (("gate", 1), ("ga", 0), ("gate.0", 0)):
        with pytest.raises(FramePendingError):
            stores.reader.detect(source, epoch, 0)


def test_an_epoch_that_begins_later_has_its_earlier_frames_expired_instead_of_pending_for_ever(stores: Stores) -> None:
    writer = stores.writer.create("gate", 3, SLOTS, SLOT_BYTES)
    writer.put(meta(1001, epoch=3), pictures(1001))
    for seq in (0, 1000):
        with pytest.raises(FrameExpiredError):
            stores.reader.detect("gate", 3, seq)
    with pytest.raises(FramePendingError):
        stores.reader.detect("gate", 3, 1002)


def test_a_new_epoch_removes_the_older_ones_of_its_source_only(stores: Stores) -> None:
    for source in ("gate", "gate.1", "yard"):
        stores.writer.create(source, 1, SLOTS, SLOT_BYTES).put(meta(0, source, 1), pictures(0))
        stores.reader.detect(source, 1, 0)
    stores.writer.create("gate", 2, SLOTS, SLOT_BYTES).put(meta(0, "gate", 2), pictures(5))
    with pytest.raises(FrameExpiredError):
        stores.reader.detect("gate", 1, 0)
    assert_array_equal(stores.reader.detect("gate", 2, 0), image(5))
    for source in ("gate.1", "yard"):
        assert_array_equal(stores.reader.detect(source, 1, 0), image(0))


def test_the_writer_of_an_older_epoch_is_closed_by_the_next_one(stores: Stores) -> None:
    older = stores.writer.create("gate", 1, SLOTS, SLOT_BYTES)
    stores.writer.create("gate", 2, SLOTS, SLOT_BYTES)
    with pytest.raises(FrameStoreError):
        older.put(meta(0, epoch=1), pictures(0))


def test_an_epoch_that_is_created_again_starts_empty(stores: Stores) -> None:
    stores.writer.create("gate", 1, SLOTS, SLOT_BYTES).put(meta(0, epoch=1), pictures(0))
    stores.reader.detect("gate", 1, 0)
    again = stores.writer.create("gate", 1, SLOTS, SLOT_BYTES)
    with pytest.raises(FramePendingError):
        stores.reader.detect("gate", 1, 0)
    again.put(meta(0, epoch=1), pictures(7))
    assert_array_equal(stores.reader.detect("gate", 1, 0), image(7))


def test_frames_of_a_closed_epoch_have_expired_and_no_more_can_be_put(stores: Stores) -> None:
    writer = stores.writer.create("gate", 0, SLOTS, SLOT_BYTES)
    writer.put(meta(0), pictures(0))
    stores.reader.detect("gate", 0, 0)
    writer.close()
    writer.close()
    with pytest.raises(FrameExpiredError):
        stores.reader.detect("gate", 0, 0)
    with pytest.raises(FrameStoreError):
        writer.put(meta(1), pictures(1))


def test_a_picture_that_the_frame_was_stored_without_has_expired_with_a_reason(stores: Stores) -> None:
    writer = stores.writer.create("gate", 0, SLOTS, SLOT_BYTES)
    writer.put(meta(0), Pictures(detect=image(0)))
    writer.put(meta(1), Pictures())
    assert_array_equal(stores.reader.detect("gate", 0, 0), image(0))
    for seq in (0, 1):
        with pytest.raises(FrameExpiredError, match=f"frame {seq} of gate"):
            stores.reader.full("gate", 0, seq)


def test_pictures_that_are_too_large_are_refused_and_the_others_stay(stores: Stores) -> None:
    writer = stores.writer.create("gate", 0, SLOTS, SLOT_BYTES)
    writer.put(meta(0), pictures(0))
    with pytest.raises(FrameStoreError, match="frame 4"):
        writer.put(meta(4), Pictures(full=noise(4, 44, 36)))
    assert_same(stores.reader.full("gate", 0, 0), full(0))


def test_pictures_may_change_their_size_as_long_as_they_fit(stores: Stores) -> None:
    writer = stores.writer.create("gate", 0, 1, SLOT_BYTES)
    for seq, size in enumerate([(20, 30), SMALL, (1, 1), (30, 20)]):
        writer.put(meta(seq), Pictures(detect=image(seq, size)))
        assert_array_equal(stores.reader.detect("gate", 0, seq), image(seq, size))


def test_pictures_are_copies_in_both_directions(stores: Stores) -> None:
    original = image(0)
    stores.writer.create("gate", 0, SLOTS, SLOT_BYTES).put(meta(0), Pictures(detect=original))
    original[...] = 0
    read = stores.reader.detect("gate", 0, 0)
    assert read.flags.writeable
    read[...] = 1
    assert_array_equal(stores.reader.detect("gate", 0, 0), image(0))


def test_a_picture_may_be_a_part_of_a_larger_array(stores: Stores) -> None:
    whole = image(0, LARGE)
    stores.writer.create("gate", 0, SLOTS, SLOT_BYTES).put(meta(0), Pictures(detect=whole[3:9, ::2, ::-1]))
    assert_array_equal(stores.reader.detect("gate", 0, 0), whole[3:9, ::2, ::-1])


@pytest.mark.parametrize("source", ["a/b", "../up", "straße 7", "a:1:2", "rtsp://x?y=*", "50%"])
def test_a_source_may_have_any_name(stores: Stores, source: str) -> None:
    stores.writer.create(source, 0, SLOTS, SLOT_BYTES).put(meta(0, source), pictures(0))
    assert_array_equal(stores.reader.detect(source, 0, 0), image(0))


def test_a_store_that_closes_removes_what_it_has_written(stores: Stores) -> None:
    stores.writer.create("gate", 0, SLOTS, SLOT_BYTES).put(meta(0), pictures(0))
    stores.reader.detect("gate", 0, 0)
    stores.writer.close()
    with pytest.raises(FrameExpiredError):
        stores.reader.detect("gate", 0, 0)
