"""A frame store for tests of stages."""

import threading
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FrameExpiredError, FramePendingError, FrameStoreError
from pipeline.frame import Pictures, Planar
from pipeline.messages import FrameMeta

T = TypeVar("T", NDArray[np.uint8], Planar)


def copied(image: T | None) -> T | None:
    return None if image is None else image.copy()


class MemoryWriter:
    def __init__(self, title: str, slots: int, slot_bytes: int, *, any_order: bool = False) -> None:
        self.frames: dict[int, Pictures] = {}
        self.newest = -1
        self.closed = False
        self._title = title
        self._slots = slots
        self._any_order = any_order
        self._slot_bytes = slot_bytes

    def put(self, meta: FrameMeta, pictures: Pictures) -> None:
        if self.closed or pictures.nbytes > self._slot_bytes:
            raise FrameStoreError(f"{self._title} is closed, or frame {meta.seq} is too large for a slot")
        self.frames[meta.seq] = Pictures(copied(pictures.detect), copied(pictures.full))
        self.newest = meta.seq
        while len(self.frames) > self._slots:
            del self.frames[min(self.frames) if self._any_order else next(iter(self.frames))]

    def is_to_come(self, seq: int) -> bool:
        if not self._any_order:
            return seq > self.newest
        return seq not in self.frames and seq > max(self.frames, default=-1) - self._slots

    def close(self) -> None:
        self.closed = True
        self.frames.clear()


class MemoryStore:
    """The frame store of one process, in its memory; the stages of a test share the object."""

    def __init__(self) -> None:
        self.writers: dict[str, dict[int, MemoryWriter]] = {}
        self._lock = threading.Lock()

    takes_any_order = True

    def create(self, source: str, epoch: int, slots: int, slot_bytes: int, *, any_order: bool = False) -> MemoryWriter:
        with self._lock:
            epochs = self.writers.setdefault(source, {})
            for older in [number for number in epochs if number <= epoch]:
                epochs.pop(older).close()
            epochs[epoch] = MemoryWriter(f"{source} (epoch {epoch})", slots, slot_bytes, any_order=any_order)
            return epochs[epoch]

    def detect(self, source: str, epoch: int, seq: int) -> NDArray[np.uint8]:
        pictures, name = self._stored(source, epoch, seq)
        if pictures is None or pictures.detect is None:
            raise FrameExpiredError(f"{name} is gone, or has nothing to look at")
        return pictures.detect.copy()

    def full(self, source: str, epoch: int, seq: int) -> Planar:
        pictures, name = self._stored(source, epoch, seq)
        if pictures is None or pictures.full is None:
            raise FrameExpiredError(f"{name} is gone, or has no picture to draw on")
        return pictures.full.copy()

    def _stored(self, source: str, epoch: int, seq: int) -> tuple[Pictures | None, str]:
        epochs = self.writers.get(source, {})
        writer, name = epochs.get(epoch), f"frame {seq} of {source} (epoch {epoch})"
        if writer is None and epoch > max(epochs, default=-1):
            raise FramePendingError(f"{name}: the epoch is not there yet")
        if writer is not None and not writer.closed and writer.is_to_come(seq):
            raise FramePendingError(f"{name} is not there yet")
        return (None if writer is None else writer.frames.get(seq)), name

    def sweep(self) -> list[str]:
        return []

    def close(self) -> None:
        for epochs in self.writers.values():
            for writer in epochs.values():
                writer.close()
