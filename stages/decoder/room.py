"""How much of the memory a source may take."""

import math
from dataclasses import dataclass
from typing import Final

from pipeline.memory import LARGEST_WINDOW, SPARE_SLOTS, Budget
from pipeline.settings import FlowSettings

_LIVE_S: Final = 2.0
"""For so long a camera's pictures stay, for who draws on them."""
_LEAST_LIVE_SLOTS: Final = 8
_WINDOW_A_LANE: Final = 256
"""x264's default distance of keyframes: a lane that has come to the window's edge reads nothing."""


@dataclass(frozen=True, slots=True)
class Room:
    """What limits a decoder: who must see each frame, which pictures, how much memory."""

    flow: FlowSettings
    budget: Budget
    recordings: int
    """Open at once."""
    cameras: int = 0
    """At most."""
    lanes: int = 1
    """Threads that read one recording."""

    def window(self, slot_bytes: int, lanes: int = 1, frames: int | None = None) -> int:
        """Return how many frames a recording, read by so many lanes, may be ahead of its slowest consumer.

        `frames`: about how many it has, if known; a short one needs no more room than that.

        Raises:
            ConfigError: `memory_mb` is too small for frames of this size.
        """
        most = LARGEST_WINDOW
        if lanes > 1:
            most = max(most, min(_WINDOW_A_LANE * lanes, frames or most))
        window = self.budget.window(slot_bytes, self.recordings + self.cameras, most)
        return min(window, self.flow.window or window)

    def slots(self, slot_bytes: int, fps: float) -> int:
        """Return how many frames of a camera are kept: two seconds of them if there is room.

        Raises:
            ConfigError: `memory_mb` is too small for frames of this size.
        """
        most = self.budget.window(slot_bytes, self.recordings + self.cameras) + SPARE_SLOTS
        return min(max(math.ceil(_LIVE_S * fps), _LEAST_LIVE_SLOTS), most)
