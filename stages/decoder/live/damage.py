"""Which frames can't be trusted: those with damage, and those made from a lost one."""

from collections import deque
from statistics import median
from typing import Final

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

_LOST: Final = "it leans on a frame that was lost or damaged"
_FLAGGED: Final = "the decoder says that it is damaged"
_STEPS: Final = 15
_GAP: Final = 1.75
"""Steps of pts, of the usual one, that mean a lost frame where packets may get lost."""


class Damage:
    """Follows a stream's packets and frames; after a loss nothing is whole until the next keyframe."""

    def __init__(self, lossy: bool) -> None:
        """`lossy`: whole packets may get lost on the way without any decoder noticing."""
        self._lossy = lossy
        self._lost = self._keyframe_came = False
        self._steps: deque[int] = deque(maxlen=_STEPS)
        self._dts: int | None = None

    def lose(self) -> None:
        """Note that a packet was lost or could not be decoded."""
        self._lost, self._keyframe_came = True, False

    def packet(self, packet: "Packet[VideoStream]") -> None:
        """Note a packet that goes to the decoder."""
        if packet.is_corrupt or self._skips(packet):
            self.lose()
        if packet.is_keyframe and not packet.is_corrupt:
            self._keyframe_came = True

    def of(self, frame: VideoFrame) -> str | None:
        """Return what is wrong with a frame that came out of the decoder."""
        # Frames come out in another order than packets go in: both the packet and the frame tell of the keyframe.
        if self._lost and self._keyframe_came and frame.key_frame:
            self._lost = False
        if frame.is_corrupt:
            return _FLAGGED
        return _LOST if self._lost else None

    def _skips(self, packet: "Packet[VideoStream]") -> bool:
        if packet.dts is None or not self._lossy:
            return False
        step = packet.dts - self._dts if self._dts is not None else None
        self._dts = packet.dts
        if step is None or step <= 0:
            return False
        skips = len(self._steps) == _STEPS and step > _GAP * median(self._steps)
        self._steps.append(step)
        return skips
