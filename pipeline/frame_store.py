"""Where pixels wait: written once by the decoder, read by whoever holds the frame's name."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Pictures, Planar
from pipeline.messages import FrameMeta


class FrameWriter(Protocol):
    """One epoch of one source, as its decoder sees it."""

    def put(self, meta: FrameMeta, pictures: Pictures) -> None:
        """Store the pictures of a frame; those of the frame put `slots` puts earlier are gone then.

        Frames come in the order of their numbers, not necessarily all of them.

        Raises:
            FrameStoreError: the store is full, or the pictures are together larger than a slot.
        """

    def close(self) -> None:
        """Free what the epoch holds; readers that still look at a frame may finish."""


class FrameStore(Protocol):
    """Pixels of all sources, by name."""

    @property
    def takes_any_order(self) -> bool:
        """Whether frames may be stored in any order, as long as no two are `slots` or more numbers apart."""

    def create(self, source: str, epoch: int, slots: int, slot_bytes: int, *, any_order: bool = False) -> FrameWriter:
        """Reserve room for the newest `slots` frames of an epoch of a source, each of `slot_bytes` at most.

        Older epochs of the same source are removed. `any_order`: see `takes_any_order`.

        Raises:
            FrameStoreError: there is no room; the text says how much is needed and how much is there.
        """

    def detect(self, source: str, epoch: int, seq: int) -> NDArray[np.uint8]:
        """Return a copy of what the detector is to look at, BGR uint8 (H, W, 3).

        Raises:
            FrameExpiredError: overwritten (also while it was read), stored without it, or the epoch is gone.
            FramePendingError: the epoch has not come to this frame yet.
        """

    def full(self, source: str, epoch: int, seq: int) -> Planar:
        """Return a copy of the picture to draw on.

        Raises:
            FrameExpiredError: overwritten (also while it was read), stored without it, or the epoch is gone.
            FramePendingError: the epoch has not come to this frame yet.
        """

    def sweep(self) -> list[str]:
        """Remove what dead processes left behind, and return a line for each thing removed."""

    def close(self) -> None:
        """Let go of all that this process has open."""
