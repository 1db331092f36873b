"""One pass over a container: each frame, and the place of each that is lost."""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.errors import SourceError
from stages.decoder.codec import emptied, frame_threads
from stages.decoder.extent import is_cut_off
from stages.decoder.fates import Fates
from stages.decoder.opening import Place, end_told_s, frames_claimed
from stages.decoder.thinning import Use, Used, whole

Item: TypeAlias = tuple[float, VideoFrame | str | None]
"""pts_s, and the frame or why there is none; None where it was passed over, as nobody wants it."""

_SLACK_S: Final = 1.0
_MADE_UP: Final = "can't be decoded (parts of it are damaged)"


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
        self._kept: Sequence[VideoFrame] | None = None
        """What the decoder still had when packets were left out that the next ones, if of the same group, lean on."""
        self._claimed, self._indexed = frames_claimed(stream), len(stream.index_entries)
        self._end_s, self._end = end_told_s(container, stream), 0
        """When the last frame is over, as the container says, and ticks, as far as it was read."""
        self._codec = stream.codec_context
        self._fates = Fates(self._codec.name, frame_threads(self._codec))
        self._packets, self._frames, self._items = skipped, 0, skipped
        self._pts_s: float | None = None

    def items(self) -> Iterator[Item]:
        """Yield frames in the order of the decoder, and lost ones where they would have been.

        Raises:
            SourceError: the end is missing, or there was no frame at all; raised after the last item.
        """
        failure = yield from self._demuxed()
        yield from self._gone_by()
        yield from self._timed(end=True)
        if failure or (self._is_whole and self._ends_early()):
            raise SourceError(self._shortfall(failure)) from failure
        if not self._frames and (self._is_whole or not self._items):
            codec = self._codec.name
            raise SourceError(f"{self._place} has no frame that can be decoded ({codec}): convert or record it again")

    def is_behind(self, number: int) -> None:
        """Note which frame of the whole file was yielded last: it was not begun with the first."""
        self._items = number + 1

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
            self._end = max(self._end, (packet.pts or 0) + (packet.duration or 0))
            if packet.size == 0 and not drains:
                continue  # AVI's way to repeat a frame; to a decoder, empty means the end
            # The packet at a cut; the error of decoding it would cost the frames that drain after it.
            if packet.is_corrupt and self._packets < self._indexed:
                self._packets -= 1
                continue
            yield from self._decoded(packet) if use is Use.WHOLE else self._passed_over(packet, use)

    def _passed_over(self, packet: "Packet[VideoStream]", use: Use) -> Iterator[Item]:
        """Note where the frame of a packet that nobody wants would be, and give the decoder what others lean on."""
        if use is Use.REFERENCE:
            yield from self._decoded(packet, needed=False)
            return
        self._fates.unwanted(packet.pts)
        if use is Use.NONE and self._kept is None:
            self._kept = emptied(self._stream)

    def _gone_by(self) -> Iterator[Item]:
        """Yield what was before packets that were left out, and their places, now that all of them are known."""
        if self._kept is not None:
            self._note(self._kept)
            self._kept = None
            yield from self._timed(end=True)

    def _decoded(self, packet: "Packet[VideoStream] | None", *, needed: bool = True) -> Iterator[Item]:
        """Yield what this packet, or the end, makes the decoder give; if not `needed`, it may leave its frame out."""
        yield from self._gone_by()
        self._codec.skip_frame = "DEFAULT" if needed else "NONREF"
        shown = packet if packet is not None and packet.size > 0 and not packet.is_discard else None
        if shown:
            (self._fates.sent if needed else self._fates.unwanted)(shown.pts)
        try:
            self._note(self._stream.decode(packet))
        except EndOfFile:
            return
        except FFmpegError as error:
            if shown and needed:
                self._fates.failed(shown.pts, f"can't be decoded ({error.strerror})")
        yield from self._timed()

    def _note(self, frames: Sequence[VideoFrame]) -> None:
        self._frames += len(frames)
        for frame in frames:
            self._fates.came(frame)

    def _timed(self, *, end: bool = False) -> Iterator[Item]:
        for ticks, frame in self._fates.settled(self._codec.reorder_depth, end=end):
            self._pts_s = self._next_pts_s() if ticks is None else self._seconds(ticks)
            self._items += 1
            # What a decoder makes up for what is missing is taken from memory, and different each time.
            yield self._pts_s, _MADE_UP if isinstance(frame, VideoFrame) and frame.is_corrupt else frame

    def _next_pts_s(self) -> float:
        return 0.0 if self._pts_s is None else self._pts_s + self._frame_s

    def _seconds(self, ticks: int) -> float:
        return float(ticks * self._stream.time_base) if self._stream.time_base else 0.0

    def _shortfall(self, failure: FFmpegError | None) -> str:
        of = f" of {self._claimed}" if (self._claimed or 0) > self._items else ""
        reason = f" ({failure.strerror})" if failure and failure.strerror else ""
        return f"{self._place} ends early: {self._items}{of} frames could be read{reason}; copy or record it again"

    def _ends_early(self) -> bool:
        """Compare with the index where there is one; an edit list makes fewer frames of as many packets."""
        if self._packets < self._indexed or (isinstance(self._place, Path) and is_cut_off(self._place)):
            return True
        read_s = max((self._pts_s or 0.0) + self._frame_s, self._seconds(self._end))
        return self._end_s is not None and read_s + _SLACK_S < self._end_s
