"""When a frame was captured.

FFmpeg gives each RTP packet after the camera's first RTCP sender report the wall clock time at which it was captured
(side data `prft`: int64 microseconds since 1970, follows each later report). The frames before that report have none,
nor has anything but RTSP. `container.start_time_realtime` is the same, once, for pts 0, and never follows: not used.
"""

import struct
from typing import Final

from av.packet import Packet
from av.video.stream import VideoStream

_MOST_OFF_S: Final = 5.0
"""A camera whose clock is further from ours is told by its arrivals: many cameras live in 1970, or in another zone."""
_JUMP_S: Final = 1.0
"""A step of pts against arrival that is no jitter."""
_DRIFT: Final = 1e-3
"""By which the camera's clock may be slow against ours."""
_SLEW: Final = 0.1
_CATCH_UP: Final = 0.5
"""Speed at which time goes on while it waits for a clock that went back."""
_LEAST_STEP_S: Final = 1e-6


class HostClock:
    """The host's wall clock, that never goes back: it follows a step forward at once, and one back by going slower."""

    def __init__(self) -> None:
        self._time_s: float | None = None
        self._elapsed_s = 0.0

    def at(self, wall_s: float, monotonic_s: float) -> float:
        """Return the time in seconds since 1970."""
        if self._time_s is None:
            self._time_s = wall_s
        else:
            passed_s = max(monotonic_s - self._elapsed_s, 0.0)
            steady_s = self._time_s + passed_s
            self._time_s = wall_s if wall_s >= steady_s else max(wall_s, steady_s - _SLEW * passed_s)
        self._elapsed_s = monotonic_s
        return self._time_s


class CaptureClock:
    """Gives the frames of one source their times, that grow whatever the clocks do; lives over reconnects."""

    def __init__(self, after_s: float | None = None, monotonic_s: float = 0.0) -> None:
        """`after_s`: the time of the last frame that another decoder had, at `monotonic_s` by this host's clock."""
        self._host = HostClock()
        self._offset_s: float | None = None
        """Arrival less pts, of the packets that had the least delay."""
        self._pts_s = 0.0
        self._last_s, self._seen_s = after_s, monotonic_s

    def stamp(self, pts_s: float, reported_s: float | None, wall_s: float, monotonic_s: float) -> float:
        """Return when a frame was captured, seconds since 1970.

        `reported_s` is what the camera says, the last two the host's clocks when the frame's packet was read.
        """
        arrived_s = self._host.at(wall_s, monotonic_s)
        smooth_s = min(self._smooth(pts_s, arrived_s), arrived_s)
        trusted = reported_s is not None and abs(reported_s - arrived_s) <= _MOST_OFF_S
        stamp_s = reported_s if trusted and reported_s is not None else smooth_s
        if self._last_s is not None:
            passed_s = max(monotonic_s - self._seen_s, 0.0)
            stamp_s = max(
                stamp_s, self._last_s + max(_CATCH_UP * passed_s if stamp_s < self._last_s else 0.0, _LEAST_STEP_S)
            )
        self._last_s, self._seen_s = stamp_s, monotonic_s
        return stamp_s

    def _smooth(self, pts_s: float, arrived_s: float) -> float:
        offset_s = arrived_s - pts_s
        if self._offset_s is None or abs(offset_s - self._offset_s) > _JUMP_S:
            self._offset_s = offset_s
        else:
            self._offset_s = min(self._offset_s + _DRIFT * max(pts_s - self._pts_s, 0.0), offset_s)
        self._pts_s = pts_s
        return pts_s + self._offset_s


def reported_s(packet: "Packet[VideoStream]") -> float | None:
    """Return when the camera captured this packet by its own clock, if it says so."""
    if not packet.has_sidedata("prft"):
        return None
    data = bytes(packet.get_sidedata("prft"))
    return float(struct.unpack_from("@q", data)[0]) / 1e6 if len(data) >= struct.calcsize("@q") else None
