"""Frames of an opened camera, until it gives none any more."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stages.decoder.address import Address
from stages.decoder.live.captured import Captured, Counts
from stages.decoder.live.clock import CaptureClock, reported_s
from stages.decoder.live.damage import Damage
from stages.decoder.live.failures import code_of, failure
from stages.decoder.picture import Scaler, Shot, upright_size

VideoPacket: TypeAlias = "Packet[VideoStream]"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a packet and for a frame."""

    read_s: float
    stall_s: float


class LiveStream:
    """An opened camera; iterate it once, in one thread."""

    def __init__(
        self,
        address: Address,
        packets: Iterable[VideoPacket],
        patience: Patience,
        clock: CaptureClock,
        *,
        codec: str,
        fps: float,
        lossy: bool = False,
        ends: bool = False,
    ) -> None:
        """`packets` are demuxed as they come; `lossy`: some may get lost on the way; `ends`: there is a last one."""
        self.codec, self.fps, self._ends = codec, fps, ends
        self.counts = Counts()
        self._address, self._packets, self._patience, self._clock = address, packets, patience, clock
        self._damage, self._scaler = Damage(lossy), Scaler()
        self._pts_s: float | None = None

    def __iter__(self) -> Iterator[Captured]:
        """Yield each frame, damaged ones too, to the end of a source that has one.

        Raises:
            CameraError: no frame comes any more, and why.
        """
        framed_s = time.monotonic()
        for packet in self._timed():
            if packet.size == 0:
                continue  # the demuxer's end; a live source's frames in the decoder are not worth waiting for
            for frame in self._decoded(packet):
                yield self._captured(frame, packet)
                framed_s = time.monotonic()
            if time.monotonic() - framed_s > self._patience.stall_s:
                raise failure("stalled")  # packets come, and no frame
        if not self._ends:
            raise failure("gone")

    def _timed(self) -> Iterator[VideoPacket]:
        packets = iter(self._packets)
        while True:
            asked_s = time.monotonic()
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                raise failure(code_of(error, self._address, live=True)) from None  # its text holds the URL
            if packet is None:
                return
            # FFmpeg's parser gives out what it held when the time was up; asking again would take as long again.
            if time.monotonic() - asked_s >= self._patience.read_s:
                raise failure("stalled")
            yield packet

    def _decoded(self, packet: VideoPacket) -> list[VideoFrame]:
        self._damage.packet(packet)
        try:
            return list(packet.decode())
        except EndOfFile:
            return []
        except FFmpegError:
            self.counts.errors += 1
            self._damage.lose()
            return []

    def _captured(self, frame: VideoFrame, packet: VideoPacket) -> Captured:
        self._pts_s = pts_s = self._next_pts_s(frame)
        wall_ns, corrupt = time.time_ns(), self._damage.of(frame)
        self.counts.captured += 1
        self.counts.corrupt += corrupt is not None
        said_s = reported_s(packet)
        if said_s is not None and packet.pts is not None and frame.pts is not None and packet.time_base:
            said_s += float((frame.pts - packet.pts) * packet.time_base)  # where frames come later than packets
        stamp_s = self._clock.stamp(pts_s, said_s, wall_ns / 1e9, time.monotonic())
        return Captured(*upright_size(frame), pts_s, stamp_s, wall_ns, Shot(self._scaler, frame), corrupt)

    def _next_pts_s(self, frame: VideoFrame) -> float:
        # Of RTSP's first frame, which often has none, the dts is another frame's.
        if frame.pts is not None and frame.time_base:
            return float(frame.pts * frame.time_base)
        return 0.0 if self._pts_s is None else self._pts_s + 1 / self.fps
