"""One pass over a container: each frame, and the place of each that is lost."""

from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.errors import SourceError
from stages.decoder.opening import frames_claimed, tagged_duration_s

Item: TypeAlias = tuple[float, VideoFrame | str]
"""pts_s, and the frame or why there is none."""

_TAG_SLACK_S: Final = 1.0


class Reading:
    """Reads an opened container to its end, once."""

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        stream: VideoStream,
        frame_s: float,
        packets: "Iterator[Packet[VideoStream]] | None" = None,
        skipped: int = 0,
    ) -> None:
        """`frame_s` is the duration of a frame where the container gives none.

        `packets` are those to read, if not all of them; `skipped` of the others came before.
        """
        self._path, self._stream, self._frame_s = path, stream, frame_s
        self._source = container.demux(stream) if packets is None else packets
        self._claimed, self._indexed = frames_claimed(stream), len(stream.index_entries)
        self._lost: deque[tuple[float | None, str]] = deque()
        """pts_s where known, and why."""
        self._packets, self._frames, self._items = skipped, 0, 0
        self._pts_s: float | None = None

    def items(self) -> Iterator[Item]:
        """Yield frames in the order of the decoder, and lost ones where they would have been.

        Raises:
            SourceError: the end is missing, or there was no frame at all; raised after the last item.
        """
        failure = yield from self._demuxed()
        while self._lost:
            yield self._lost_item()
        if failure or self._ends_early():
            raise SourceError(self._shortfall(failure)) from failure
        if not self._frames:
            codec = self._stream.codec_context.name
            raise SourceError(f"{self._path} has no frame that can be decoded ({codec}): convert or record it again")

    def _demuxed(self) -> Generator[Item, None, FFmpegError | None]:
        while True:
            try:
                packet = next(self._source, None)
            except FFmpegError as error:
                yield from self._decoded(None)
                return error
            if packet is None:
                return None
            drains = packet.size == 0 and packet.dts is None
            self._packets += not drains
            if packet.size == 0 and not drains:
                continue  # AVI's way to repeat a frame; to a decoder, empty means the end
            # The packet at a cut; the error of decoding it would cost the frames that drain after it.
            if packet.is_corrupt and self._packets < self._indexed:
                self._packets -= 1
                continue
            yield from self._decoded(packet)

    def _decoded(self, packet: "Packet[VideoStream] | None") -> Iterator[Item]:
        """Yield what this packet, or the end, makes the decoder give."""
        try:
            frames = self._stream.decode(packet)
        except EndOfFile:
            return
        except FFmpegError as error:
            self._lose(packet, error)
            return
        for frame in frames:
            yield from self._in_order(frame)

    def _lose(self, packet: "Packet[VideoStream] | None", error: FFmpegError) -> None:
        if packet is None or not packet.is_discard:
            pts = packet.pts if packet else None
            self._lost.append((None if pts is None else self._seconds(pts), f"can't be decoded ({error.strerror})"))

    def _in_order(self, frame: VideoFrame) -> Iterator[Item]:
        """Yield the lost ones that come before this frame, then it: a decoder errs earlier than it delivers."""
        ticks = frame.dts if frame.pts is None else frame.pts
        pts_s = self._next_pts_s() if ticks is None else self._seconds(ticks)
        while self._lost and (self._lost[0][0] is None or self._lost[0][0] < pts_s):
            yield self._lost_item()
        self._frames += 1
        yield self._item(pts_s, frame)

    def _lost_item(self) -> Item:
        pts_s, error = self._lost.popleft()
        return self._item(self._next_pts_s() if pts_s is None else pts_s, error)

    def _item(self, pts_s: float, frame: VideoFrame | str) -> Item:
        self._items += 1
        self._pts_s = pts_s
        return pts_s, frame

    def _next_pts_s(self) -> float:
        return 0.0 if self._pts_s is None else self._pts_s + self._frame_s

    def _seconds(self, ticks: int) -> float:
        return float(ticks * self._stream.time_base) if self._stream.time_base else 0.0

    def _shortfall(self, failure: FFmpegError | None) -> str:
        of = f" of {self._claimed}" if self._claimed else ""
        reason = f" ({failure.strerror})" if failure and failure.strerror else ""
        return f"{self._path} ends early: {self._items}{of} frames could be read{reason}; copy or record it again"

    def _ends_early(self) -> bool:
        """Compare with the index where there is one; an edit list makes fewer frames of as many packets."""
        if self._packets < self._indexed:
            return True
        tagged_s = tagged_duration_s(self._stream)
        read_s = (self._pts_s or 0.0) + self._frame_s
        return tagged_s is not None and read_s + _TAG_SLACK_S < tagged_s
