"""One pass over a container: each frame, and the place of each that is lost."""

from bisect import insort
from collections import deque
from collections.abc import Generator, Iterator
from typing import Final, TypeAlias

from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.errors import SourceError
from stages.decoder.opening import Place, frames_claimed, tagged_duration_s
from stages.decoder.thinning import Use, Used, whole

Item: TypeAlias = tuple[float, VideoFrame | str | None]
"""pts_s, and the frame or why there is none; None where it was passed over, as nobody wants it."""

_TAG_SLACK_S: Final = 1.0


class Reading:
    """Reads an opened container to its end, once."""

    def __init__(
        self,
        place: Place,
        container: InputContainer,
        stream: VideoStream,
        frame_s: float,
        packets: "Iterator[Packet[VideoStream]] | None" = None,
        skipped: int = 0,
        uses: "Iterator[Used] | None" = None,
    ) -> None:
        """`frame_s` is the duration of a frame where the container gives none.

        `packets` are those to read, if not all of them; `skipped` of the others came before. `uses` are those to read,
        each with what it is for; then nobody asks whether the end is missing, as parts may be left out.
        """
        self._place, self._stream, self._frame_s = place, stream, frame_s
        self._source = uses or whole(container.demux(stream) if packets is None else packets)
        self._is_whole = uses is None
        self._passed: list[float] = []
        """Times of those passed over that have not been told of."""
        self._gap = False
        """Whether packets were left out that the next ones would lean on, were they not of a new group."""
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
        yield from self._gone(before=float("inf"))
        if failure or (self._is_whole and self._ends_early()):
            raise SourceError(self._shortfall(failure)) from failure
        if not self._frames and (self._is_whole or not self._items):
            codec = self._stream.codec_context.name
            raise SourceError(f"{self._place} has no frame that can be decoded ({codec}): convert or record it again")

    def _demuxed(self) -> Generator[Item, None, FFmpegError | None]:
        while True:
            try:
                packet, use = next(self._source, (None, Use.WHOLE))
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
            yield from self._decoded(packet) if use is Use.WHOLE else self._passed_over(packet, use)

    def _passed_over(self, packet: "Packet[VideoStream]", use: Use) -> Iterator[Item]:
        """Note where the frame of a packet that nobody wants would be, and give the decoder what others lean on."""
        if packet.pts is not None:
            insort(self._passed, self._seconds(packet.pts))
        if use is Use.REFERENCE:
            yield from self._decoded(packet, needed=False)
        elif use is Use.NONE:
            self._gap = True

    def _decoded(self, packet: "Packet[VideoStream] | None", *, needed: bool = True) -> Iterator[Item]:
        """Yield what this packet, or the end, makes the decoder give; if not `needed`, it may leave its frame out."""
        codec = self._stream.codec_context
        if self._gap and packet is not None and packet.size:
            self._gap = False
            yield from self._decoded(None)  # only now is it known which ones were passed over before these
            codec.flush_buffers()
        codec.skip_frame = "DEFAULT" if needed else "NONREF"
        try:
            frames = self._stream.decode(packet)
        except EndOfFile:
            return
        except FFmpegError as error:
            if needed:
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
        yield from self._gone(before=pts_s)
        if self._passed and self._passed[0] == pts_s:
            self._passed.pop(0)  # others lean on it, so here it is
        self._frames += 1
        yield self._item(pts_s, frame)

    def _gone(self, before: float) -> Iterator[Item]:
        """Yield those lost or passed over whose place is before a time."""
        nowhere = float("inf")
        while True:
            lost_s = self._lost[0][0] if self._lost else nowhere
            passed_s = self._passed[0] if self._passed else nowhere
            if lost_s is None or (lost_s < before and lost_s <= passed_s):
                pts_s, error = self._lost.popleft()
                yield self._item(self._next_pts_s() if pts_s is None else pts_s, error)
            elif passed_s < before:
                yield self._item(self._passed.pop(0), None)
            else:
                return

    def _item(self, pts_s: float, frame: VideoFrame | str | None) -> Item:
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
        return f"{self._place} ends early: {self._items}{of} frames could be read{reason}; copy or record it again"

    def _ends_early(self) -> bool:
        """Compare with the index where there is one; an edit list makes fewer frames of as many packets."""
        if self._packets < self._indexed:
            return True
        tagged_s = tagged_duration_s(self._stream)
        read_s = (self._pts_s or 0.0) + self._frame_s
        return tagged_s is not None and read_s + _TAG_SLACK_S < tagged_s
