"""Where to go on in a recording, without decoding all that comes before.

A frame is known again by its time, never by where a seek has led to. Where times may deceive (some occur twice, or
the place in the file does not fit the number) there is no going on: who asks begins at the first frame.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final, TypeAlias

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from stages.decoder.reading import Item, Reading

Anchor: TypeAlias = tuple[int, float]
"""Number and time (seconds) of a frame."""
Packets: TypeAlias = Iterator["Packet[VideoStream]"]
Find: TypeAlias = Callable[[InputContainer, VideoStream, Anchor], tuple[Packets, int] | None]
"""Returns the packets from a keyframe before an anchor on, and how many come before; None if it can't."""

_SAME_S: Final = 1e-5
_RUN_UP: Final = 16
"""Frames between the keyframe that is begun with and the one that is looked for, at the least."""
_MOST_OFF: Final = 64
"""Frames by which a packet's place may differ from its frame's number: reordered ones, and ones that are lost."""


def behind(reading: Reading, anchor: Anchor) -> Iterator[tuple[int, Item]] | None:
    """Return the frames behind an anchor, each with its number; None if the reading doesn't come by there.

    Raises:
        SourceError: as `Reading.items`, also while it is iterated.
    """
    items = reading.items()
    for pts_s, _ in items:
        if abs(pts_s - anchor[1]) < _SAME_S:
            reading.is_behind(anchor[0])
            return enumerate(items, anchor[0] + 1)
        if pts_s > anchor[1]:
            return None
    return None


def sought(container: InputContainer, stream: VideoStream, anchor: Anchor) -> tuple[Packets, int] | None:
    """Find by the container's index, and a seek."""
    entries = list(stream.index_entries)
    times = [entry.timestamp for entry in entries]
    if len(entries) < 2 or len(entries) != stream.frames or any(b <= a for a, b in pairwise(times)):
        return None
    keys = [place for place, entry in enumerate(entries) if entry.is_keyframe]
    before = bisect_right(keys, anchor[0] - _RUN_UP) - 1
    if before < 0:
        return None
    try:
        container.seek(times[keys[before]], stream=stream, backward=True)
        packets = container.demux(stream)
        first = next(packets)
    except (FFmpegError, StopIteration):
        return None
    places = {entry.pos: place for place, entry in enumerate(entries)}
    place = places.get(first.pos) if first.pos is not None else None
    if place is None or not first.is_keyframe or place > anchor[0]:
        return None
    return _chained([first], packets), place


def skipped(container: InputContainer, stream: VideoStream, anchor: Anchor) -> tuple[Packets, int] | None:
    """Find by reading up to there, without decoding; `container` is freshly opened."""
    held: list[Packet[VideoStream]] = []
    keys: list[int] = []
    """Places of the keyframes in `held`, which begins with the first of them."""
    packets = container.demux(stream)
    try:
        for place, packet in enumerate(packets):
            if packet.size == 0 or packet.pts is None or packet.time_base is None:
                return None
            if packet.is_keyframe:
                keys.append(place)
                while len(keys) > 2 and place - keys[1] >= _RUN_UP:
                    held = held[keys[1] - keys[0] :]
                    keys.pop(0)
            if keys:
                held.append(packet)
            if packet.pts * packet.time_base >= anchor[1]:
                fits = abs(place - anchor[0]) <= _MOST_OFF
                return (_chained(held, packets), keys[0]) if fits and keys else None
    except FFmpegError:
        pass
    return None


def _chained(held: list["Packet[VideoStream]"], packets: Packets) -> Packets:
    yield from held
    held.clear()
    yield from packets
