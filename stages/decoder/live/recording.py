"""A recording played in real time, as if it were a camera."""

import time
from collections.abc import Callable, Iterator

from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.packet import Packet
from av.video.stream import VideoStream


class Paced:
    """The packets of a recording, each when its time has come; perhaps again and again, with times that go on."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        looped: bool,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._container, self._stream, self._looped = container, stream, looped
        self._now, self._sleep = now, sleep
        self._shift = self._end = 0
        """In ticks: what earlier rounds took, and where the latest packet ended."""

    def __iter__(self) -> Iterator["Packet[VideoStream]"]:
        started_s = self._now()
        while True:
            for packet in self._round():
                due_s = float(self._moved(packet) * self._stream.time_base) if self._stream.time_base else 0.0
                self._sleep(max(started_s + due_s - self._now(), 0.0))
                yield packet
            if not self._looped or not self._end:
                return
            self._shift = self._end
            self._container.seek(0, stream=self._stream)
            self._stream.codec_context.flush_buffers()

    def _round(self) -> Iterator["Packet[VideoStream]"]:
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    yield packet
        except EndOfFile:
            return

    def _moved(self, packet: "Packet[VideoStream]") -> int:
        """Move a packet's times behind the rounds before, and return its dts."""
        if packet.pts is not None:
            packet.pts += self._shift
        if packet.dts is not None:
            packet.dts += self._shift
        ticks = packet.dts if packet.dts is not None else packet.pts
        self._end = max(self._end, (ticks or 0) + (packet.duration or 1))
        return ticks or 0
