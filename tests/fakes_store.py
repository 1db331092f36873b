"""A frame store for tests of stages."""

import threading

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FrameExpiredError, FramePendingError, FrameStoreError
from pipeline.frame import Pictures
from pipeline.frame_store import Picture
from pipeline.messages import FrameMeta


def copied(image: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
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
        images = [image for image in (pictures.detect, pictures.full) if image is not None]
        if self.closed or sum(image.nbytes for image in images) > self._slot_bytes:
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

    def get(self, source: str, epoch: int, seq: int, picture: Picture) -> NDArray[np.uint8]:
        epochs = self.writers.get(source, {})
        writer, name = epochs.get(epoch), f"frame {seq} of {source} (epoch {epoch})"
        if writer is None and epoch > max(epochs, default=-1):
            raise FramePendingError(f"{name}: the epoch is not there yet")
        if writer is not None and not writer.closed and writer.is_to_come(seq):
            raise FramePendingError(f"{name} is not there yet")
        pictures = None if writer is None else writer.frames.get(seq)
        image = copied(getattr(pictures, picture, None))
        if image is None:
            raise FrameExpiredError(f"{name} is gone, or has no picture '{picture}'")
        return image

    def sweep(self) -> list[str]:
        return []

    def close(self) -> None:
        for epochs in self.writers.values():
            for writer in epochs.values():
                writer.close()
