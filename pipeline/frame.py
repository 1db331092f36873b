"""A frame: what a message says of it, and its pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import FrameMeta


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """The pictures of one frame, BGR uint8 (H, W, 3); either may be smaller than the original frame."""

    detect: NDArray[np.uint8] | None = None
    """Scaled to what the detector wants; None where nobody is to look at the frame again."""
    full: NDArray[np.uint8] | None = None
    """For the sinks that draw; None where none does."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a source on its way to the detector."""

    meta: FrameMeta
    image: NDArray[np.uint8]
    """BGR, shape (H, W, 3), perhaps scaled already to what the detector wants."""
