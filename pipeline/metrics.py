"""Latencies in a histogram that costs the same for an hour as for a year."""

from typing import Final

import numpy as np

_LOWEST_S: Final = 1e-4
_GROWTH: Final = 1.05
_BINS: Final = 320
"""From 0.1 ms to 10 minutes in steps of 5 %."""


class LatencyHistogram:
    """Counts of latencies in bins that grow by 5 %; so are its quantiles exact to 5 %."""

    def __init__(self, data: bytes = b"") -> None:
        self._counts = np.frombuffer(data, "<u4").copy() if data else np.zeros(_BINS, "<u4")

    def add(self, seconds: float) -> None:
        """Count one latency; those out of range count as the nearest bin's."""
        number = np.log(max(seconds, _LOWEST_S) / _LOWEST_S) / np.log(_GROWTH)
        self._counts[min(int(number), _BINS - 1)] += 1

    def quantile_s(self, share: float) -> float | None:
        """Return the latency that `share` of all stay below, None if there is none."""
        total = int(self._counts.sum())
        if not total:
            return None
        number = int(np.searchsorted(np.cumsum(self._counts), share * total))
        return float(_LOWEST_S * _GROWTH ** (min(number, _BINS - 1) + 0.5))

    def to_bytes(self) -> bytes:
        """Return what the constructor takes."""
        return self._counts.tobytes()
