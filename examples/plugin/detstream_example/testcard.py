"""A source: a white square on its way over a dark picture, so many frames."""

import hashlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stages.decoder.recording import RecordingSettings
from stages.decoder.source import Decoded, SourceFacts

WIDTH, HEIGHT, SIDE, FPS = 320, 240, 40, 25.0


class TestCard(RecordingSettings):
    """Settings of the source; being a recording, it gives the same frames each time it is opened."""

    kind: Literal["testcard"] = "testcard"
    frames: int = Field(default=50, ge=1)

    @property
    def files(self) -> list[Path]:
        """None: it is made up."""
        return []

    @property
    def size(self) -> int:
        """0: of no file."""
        return 0

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return f"testcard of {self.frames} frames"

    @property
    def identity(self) -> dict[str, Any]:
        """By what it is known to be the same when a run is gone on with."""
        return {"path": self.address, "bytes": None, "changed_ns": None}

    def contents(self) -> Iterator[bytes]:
        """Yield what `--hash` is taken of."""
        yield hashlib.sha256(self.address.encode()).digest()

    def build(self) -> "Card":
        """Open it."""
        return Card(self.frames)


class Card:
    """See `stages.decoder.source.VideoSource`."""

    def __init__(self, frames: int) -> None:
        self._frames, self._closed = frames, False
        self.facts = SourceFacts(WIDTH, HEIGHT, FPS, frames, frames / FPS, None, "testcard")

    def frames(self, start: int = 0, anchor: tuple[int, float] | None = None) -> Iterator[Decoded]:
        """Yield the frames from `start` on."""
        for seq in range(start, self._frames):
            if self._closed:
                return
            yield Decoded(seq, seq / FPS, None, WIDTH, HEIGHT, time.time_ns(), partial(_picture, seq))

    def close(self) -> None:
        """End `frames`."""
        self._closed = True


def _picture(seq: int, width: int, height: int) -> NDArray[np.uint8]:
    image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    left = 20 + 4 * seq % (WIDTH - SIDE - 40)
    image[100 : 100 + SIDE, left : left + SIDE] = 255
    return np.asarray(cv2.resize(image, (width, height)), np.uint8)
