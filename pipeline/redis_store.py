"""The frame store between machines: one hash a frame in Redis, a field for each of its pictures.

Nothing is left behind by an owner that stops; what a killed one leaves is removed by the next epoch of its source.
"""

import struct
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from redis import Redis

from pipeline.errors import BrokerError, FrameExpiredError, FramePendingError, FrameStoreError
from pipeline.frame import Matrix, Pictures, Planar
from pipeline.frame_store import FrameWriter
from pipeline.messages import FrameMeta
from pipeline.redis_connection import RedisConnection
from pipeline.redis_room import Room, read_frame

T = TypeVar("T")
Encode: TypeAlias = Callable[[NDArray[np.uint8]], bytes]
Decode: TypeAlias = Callable[[bytes], NDArray[np.uint8]]

_SHAPE: Final = struct.Struct("<III")
_BGR: Final = 3


def to_raw(image: NDArray[np.uint8]) -> bytes:
    """Return rows, columns and channels as little-endian 32-bit numbers, and the pixels; of one channel, for (H, W)."""
    return _SHAPE.pack(*image.shape[:2], _BGR if image.ndim == _BGR else 1) + image.tobytes()


def from_raw(data: bytes) -> NDArray[np.uint8]:
    """Return the image that `to_raw` made these bytes of, writable.

    Raises:
        FrameStoreError: they are no such bytes.
    """
    rows, columns, channels = _SHAPE.unpack_from(data) if len(data) >= _SHAPE.size else (0, 0, 0)
    if len(data) != _SHAPE.size + rows * columns * channels:
        raise FrameStoreError("a picture in Redis is not stored raw: use the same codec everywhere")
    shape = (rows, columns, channels) if channels == _BGR else (rows, columns)
    return np.frombuffer(data, np.uint8, offset=_SHAPE.size).reshape(shape).copy()


class RedisWriter:
    """One epoch of one source, in keys that this process owns."""

    def __init__(self, connection: RedisConnection, room: Room, encode: Encode) -> None:
        self._connection = connection
        self._room = room
        self._encode = encode
        self._stored: list[int] = []
        self._closed = False

    def put(self, meta: FrameMeta, pictures: Pictures) -> None:
        """Store the pictures of a frame; those of the frame put `slots` puts earlier are gone then.

        Raises:
            FrameStoreError: the pictures are too large for a slot, Redis is full, or the writer was closed.
        """
        self._check(meta.seq, pictures.nbytes)
        fields = {"seq": str(meta.seq).encode()}  # without a picture, too, as Redis has no empty hashes
        if pictures.detect is not None:
            fields["detect"] = self._encode(pictures.detect)
        if pictures.full is not None:
            fields["full"] = bytes([pictures.full.matrix]) + self._encode(pictures.full.data)
        stored = [*self._stored, meta.seq]
        expired, kept = stored[: -self._room.slots], stored[-self._room.slots :]
        _call(self._connection, lambda redis: self._room.put(redis, meta.seq, fields, expired, kept[0]))
        self._stored = kept

    def close(self) -> None:
        """Remove the epoch's frames."""
        if not self._closed:
            self._closed = True
            _call(self._connection, lambda redis: self._room.remove(redis, self._stored))

    def _check(self, seq: int, size: int) -> None:
        if self._closed:
            raise FrameStoreError(f"the frames of {self._room.title} were removed; create the next epoch to store more")
        if size > self._room.slot_bytes:
            raise FrameStoreError(
                f"frame {seq} of {self._room.title} has {size} bytes of pixels, more than the {self._room.slot_bytes} "
                "of a slot: scale its pictures to the size of the source's first frame"
            )


class RedisStore:
    """Pixels in Redis, in the bytes that `encode` makes of a picture and `decode` reads; raw unless told otherwise.

    Raises:
        BrokerUnreachableError: nobody answered within `connect_timeout_s`.
    """

    def __init__(
        self, url: str, encode: Encode = to_raw, decode: Decode = from_raw, connect_timeout_s: float = 10.0
    ) -> None:
        self._connection = RedisConnection(url, connect_timeout_s)
        self._encode = encode
        self._decode = decode
        self._writers: dict[tuple[str, int], RedisWriter] = {}
        self._seen: dict[str, int] = {}

    takes_any_order = False

    def create(self, source: str, epoch: int, slots: int, slot_bytes: int, *, any_order: bool = False) -> FrameWriter:
        """Check that there is room for the newest `slots` frames, and remove the older epochs of the source.

        Raises:
            FrameStoreError: Redis has a limit, and less than that is free.
        """
        for older in [key for key in self._writers if key[0] == source and key[1] <= epoch]:
            self._writers.pop(older).close()
        room = Room(source, epoch, slots, slot_bytes)
        _call(self._connection, room.make)
        writer = RedisWriter(self._connection, room, self._encode)
        self._writers[source, epoch] = writer
        return writer

    def detect(self, source: str, epoch: int, seq: int) -> NDArray[np.uint8]:
        """Return a copy of what the detector is to look at, BGR uint8 (H, W, 3).

        Raises:
            FrameExpiredError: overwritten, stored without it, or the epoch is gone.
            FramePendingError: the epoch has not come to this frame yet.
        """
        return self._decode(self._read(source, epoch, seq, "detect"))

    def full(self, source: str, epoch: int, seq: int) -> Planar:
        """Return a copy of the picture to draw on.

        Raises:
            FrameExpiredError: overwritten, stored without it, or the epoch is gone.
            FramePendingError: the epoch has not come to this frame yet.
        """
        data = self._read(source, epoch, seq, "full")
        return Planar(self._decode(data[1:]), Matrix(data[0]))

    def _read(self, source: str, epoch: int, seq: int, picture: str) -> bytes:
        data, exists, rooms = _call(self._connection, lambda redis: read_frame(redis, source, epoch, seq, picture))
        if data is not None:
            self._seen[source] = max(epoch, self._seen.get(source, -1))
            return data
        name = f"frame {seq} of {source} (epoch {epoch})"
        if exists:
            raise FrameExpiredError(f"{name} was stored without a picture '{picture}'")
        if epoch in rooms and seq > rooms[epoch]:
            raise FramePendingError(f"{name} is not in Redis yet; the newest is {rooms[epoch]}")
        if epoch <= max([*rooms, self._seen.get(source, -1)]):
            raise FrameExpiredError(f"{name} was removed; a larger memory_mb keeps more frames")
        raise FramePendingError(f"there are no frames of {source} (epoch {epoch}) in Redis yet")

    def sweep(self) -> list[str]:
        """Return nothing: what a dead process left is removed by its source's next epoch."""
        return []

    def close(self) -> None:
        """Remove the frames that this process owns, and close the connection."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        self._connection.close()


def _call(connection: RedisConnection, command: Callable[[Redis], T]) -> T:
    try:
        return connection.call(command)
    except BrokerError as error:
        raise FrameStoreError(f"frame store in Redis: {error}") from error
