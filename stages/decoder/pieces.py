"""One recording read by several at once: cut at keyframes into pieces, which are numbered before they are decoded.

It is cut only where an index says how many frames there are, and only for as long as each piece has the frames that
its packets promise; else it has to be gone through in one go (`Uneven`). The last piece, and all from anything odd on,
is read by one lane as if nothing had been cut.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeAlias, cast

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.errors import SourceError
from stages.decoder.finding import Anchor, sought
from stages.decoder.groups import INDEPENDENT, Group, groups
from stages.decoder.part import Part
from stages.decoder.reading import Item
from stages.decoder.sampling import SAME_S
from stages.decoder.source import Uneven
from stages.decoder.thinning import whole

_LEAST: Final = 16
"""Frames in a piece: where keyframes are more frequent, it has several groups."""

Numbered: TypeAlias = tuple[int, Item]
Packets: TypeAlias = "list[Packet[VideoStream]]"


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is decoded by itself."""

    packets: Packets
    first: int
    """Number of the frame that it begins with."""
    times: range
    """Ticks: what is shown then, is this piece's."""
    frames: int | None
    """How many there are; None: to the end of the recording."""


class Pieces:
    """Cuts a recording, and gives each piece to the lane that asks next; lanes are threads."""

    def __init__(self, part: Part, anchor: Anchor | None) -> None:
        """Open it, to go on behind the frame of an anchor if there is one."""
        self._part, self._lock, self._stack = part, threading.Lock(), ExitStack()
        self._container, self._stream = self._stack.enter_context(part.opened())
        container, stream = self._container, self._stream
        found = sought(container, stream, anchor) if anchor else (container.demux(stream), 0)
        self._raw, self._place = found or (iter(()), 0)
        """The packets, and how many come before those that are not cut yet."""
        self._failure: FFmpegError | None = None
        self._groups: Iterator[Group] = groups(self._readable())
        self._group = next(self._groups, None)
        self._number = 0
        self.works = self._is_cuttable() and found is not None and (anchor is None or self._begins_at(anchor))
        """Whether it can be cut at all."""

    def lane(self) -> Iterator[Numbered]:
        """Yield the frames of one piece after the other, each with its number.

        Raises:
            SourceError: nothing more can be read, and it should.
            Uneven: it can't be cut after all; what was yielded is right.
        """
        with self._part.opened() as (container, stream):
            while (piece := self._taken()) is not None:
                stream.codec_context.flush_buffers()
                yield from self._rest(piece) if piece.frames is None else self._frames(piece, container, stream)

    def close(self) -> None:
        """Close the container."""
        self._stack.close()

    def _is_cuttable(self) -> bool:
        stream = self._stream
        indexed = len(stream.index_entries) == stream.frames > 1
        return indexed and stream.codec_context.name in INDEPENDENT and stream.time_base is not None

    def _readable(self) -> "Iterator[Packet[VideoStream]]":
        """Yield packets as long as there are; why there are no more is somebody else's to tell."""
        try:
            yield from self._raw
        except FFmpegError as error:
            self._failure = error

    def _begins_at(self, anchor: Anchor) -> bool:
        """Go to the group that holds the anchor, which says how to number it; return whether there is one."""
        while self._group is not None and (following := next(self._groups, None)) is not None:
            times = [self._seconds(ticks) for ticks in _shown(self._group, following)]
            places = [place for place, at_s in enumerate(times) if abs(at_s - anchor[1]) < SAME_S]
            if places:
                self._number = anchor[0] - places[0]
                self._groups = chain([following], self._groups)
                return _is_regular(self._group, following)
            self._place += len(self._group.packets)
            self._group = following
        return False

    def _taken(self) -> _Piece | None:
        with self._lock:
            if self._group is None:
                return None
            return self._cut([self._group])

    def _cut(self, chosen: list[Group]) -> _Piece:
        """Take whole groups until there are frames enough; if that can't be, all that is left."""
        frames = 0
        while (following := next(self._groups, None)) is not None and _is_regular(chosen[-1], following):
            frames += len(_shown(chosen[-1], following))
            if frames >= _LEAST:
                return self._piece(chosen, following, frames)
            chosen.append(following)
        self._group = None
        left = [*chosen, *([following] if following else [])]
        begin = left[0].packets[0].pts if left[0].is_whole and not left[0].first else None
        times = range(-(1 << 62) if begin is None else begin, 1 << 62)
        return _Piece([packet for group in left for packet in group.packets], self._number, times, None)

    def _piece(self, chosen: Sequence[Group], following: Group, frames: int) -> _Piece:
        lost = {id(packet) for packet in chosen[0].leading}
        packets = [packet for group in chosen for packet in group.packets if id(packet) not in lost]
        packets += [following.packets[0], *following.leading] if following.leading else []
        times = range(chosen[0].packets[0].pts or 0, following.packets[0].pts or 0)
        piece = _Piece(packets, self._number, times, frames)
        self._number += frames
        self._place += sum(len(group.packets) for group in chosen)
        self._group = following
        return piece

    def _frames(self, piece: _Piece, container: InputContainer, stream: VideoStream) -> Iterator[Numbered]:
        """Yield a piece's frames; the last one, without which nobody gets on, when it is certain that all are there."""
        held: Item | None = None
        count = 0
        for item in self._own(piece, container, stream):
            # What is missing in a damaged picture is painted with what was before, even from before the keyframe.
            if not isinstance(item[1], VideoFrame) or item[1].is_corrupt or count == piece.frames:
                raise Uneven
            if held is not None:
                yield piece.first + count - 1, held
            held, count = item, count + 1
        if held is None or count != piece.frames:
            raise Uneven
        yield piece.first + count - 1, held

    def _own(self, piece: _Piece, container: InputContainer, stream: VideoStream) -> Iterator[Item]:
        begin_s, end_s = self._seconds(piece.times.start), self._seconds(piece.times.stop)
        packets = iter([*piece.packets, cast("Packet[VideoStream]", Packet())])  # an empty one is the end
        reading = self._part.reading(container, stream, uses=whole(packets))
        try:
            yield from ((at_s, frame) for at_s, frame in reading.items() if begin_s <= at_s < end_s)
        except SourceError as error:
            raise Uneven from error

    def _rest(self, piece: _Piece) -> Iterator[Numbered]:
        """Yield what is left, by the decoder of the container itself."""
        reading = self._part.reading(self._container, self._stream, self._left(piece), self._place)
        begin_s = self._seconds(piece.times.start)
        yield from enumerate((item for item in reading.items() if item[0] >= begin_s), piece.first)

    def _left(self, piece: _Piece) -> "Iterator[Packet[VideoStream]]":
        yield from piece.packets
        for group in self._groups:  # which has read the keyframe behind the last group already
            yield from group.packets
        if self._failure is not None:
            raise self._failure

    def _seconds(self, ticks: int) -> float:
        return float(ticks * (self._stream.time_base or 0))


def _shown(group: Group, following: Group) -> list[int]:
    """Return the times of the frames from a group's keyframe to the next one, in their order, ticks."""
    led = {id(packet) for packet in group.leading}
    packets = [packet for packet in group.packets if id(packet) not in led] + following.leading
    return sorted(packet.pts for packet in packets if packet.pts is not None)


def _is_regular(group: Group, following: Group) -> bool:
    """Return whether it is known which frames there are from a group's keyframe to the next one."""
    if group.goes_on or not (group.is_whole and following.is_whole):
        return False
    packets = [*group.packets, following.packets[0]]
    plain = all(packet.size and not packet.is_corrupt and not packet.is_discard for packet in packets)
    begin, end = group.packets[0].pts, following.packets[0].pts
    times = _shown(group, following)
    count = len(group.packets) - len(group.leading) + len(following.leading)
    if not plain or begin is None or end is None or len({*times}) != count:
        return False
    return begin <= times[0] and times[-1] < end
