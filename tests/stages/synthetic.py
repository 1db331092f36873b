"""A video without a file: frames of one colour, which says their number."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SourceError
from pipeline.frame import Planar
from stages.decoder.source import Decoded, SourceFacts
from tests.planes import planar

SIDE: Final = 28
"""Width and height, so that a letterbox for 32 neither scales nor moves by a fraction."""
FPS: Final = 25.0
_COLOURS: Final = 251
PIECE: Final = 10
"""Frames."""


def picture_of(seq: int, width: int = SIDE, height: int = SIDE) -> NDArray[np.uint8]:
    return np.full((height, width, 3), seq % _COLOURS, np.uint8)


def full_of(seq: int) -> Planar:
    return planar(seq % _COLOURS, SIDE, SIDE)


@dataclass(frozen=True)
class Shown:
    """A frame's pictures of any size; see `PlanarScale`."""

    seq: int

    def __call__(self, width: int, height: int) -> NDArray[np.uint8]:
        return picture_of(self.seq, width, height)

    def planar(self, width: int, height: int) -> Planar:
        return planar(self.seq % _COLOURS, width, height)


def nothing(seq: int) -> None:
    pass


@dataclass
class SyntheticVideo:
    """Frames from 0 on; `before` is called with the number of each one before it is there."""

    length: int
    broken: Collection[int] = ()
    fails_at: int | None = None
    before: Callable[[int], None] = nothing
    closed: bool = field(default=False, init=False)

    @property
    def facts(self) -> SourceFacts:
        return SourceFacts(SIDE, SIDE, FPS, self.length, self.length / FPS, None, "none")

    def frames(self, start: int = 0, anchor: tuple[int, float] | None = None) -> Iterator[Decoded]:
        for seq in range(start, self.length):
            self.before(seq)
            if seq == self.fails_at:
                raise SourceError(f"the file ends at frame {seq}")
            error = f"frame {seq} is damaged" if seq in self.broken else None
            yield Decoded(seq, seq / FPS, None, SIDE, SIDE, time.time_ns(), Shown(seq), error)

    def lanes(self, most: int, start: int = 0, anchor: tuple[int, float] | None = None) -> list[Iterator[Decoded]]:
        """Share the frames in pieces of ten."""
        pieces = [range(first, min(first + PIECE, self.length)) for first in range(0, self.length, PIECE)]
        shared = iter([piece for piece in pieces if piece.stop > start])

        def lane() -> Iterator[Decoded]:
            for piece in shared:
                for frame in self.frames(max(piece.start, start)):
                    yield frame
                    if frame.seq == piece.stop - 1:
                        break

        return [lane() for _ in range(most)]

    def close(self) -> None:
        self.closed = True
