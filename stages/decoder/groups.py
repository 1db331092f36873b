"""Groups of pictures: the packets from a keyframe to the next one, and how they lean on each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from av.packet import Packet
from av.video.stream import VideoStream

INDEPENDENT: Final = frozenset("av1 h264 hevc mjpeg mpeg1video mpeg2video mpeg4 vp8 vp9".split())
"""Codecs whose keyframes lean on nothing; a GIF's do."""
_LARGEST: Final = 600
"""Packets that are held together; what follows is a group that goes on."""


@dataclass(slots=True)
class Group:
    """Packets from a keyframe on, in the order of decoding."""

    packets: "list[Packet[VideoStream]]"
    goes_on: bool = False
    """Whether the next packets belong to it."""
    first: bool = False
    """Whether nothing was before it, so that nobody knows what its leading pictures come to."""

    @property
    def leading(self) -> "list[Packet[VideoStream]]":
        """Those that are shown before the keyframe, and lean on the group before."""
        first = self.packets[0].pts
        if first is None or self.first:
            return []
        return [packet for packet in self.packets[1:] if packet.pts is not None and packet.pts < first]

    @property
    def is_whole(self) -> bool:
        """Whether it begins with a keyframe."""
        return self.packets[0].is_keyframe


def groups(packets: "Iterator[Packet[VideoStream]]") -> Iterator[Group]:
    """Yield packets by groups."""
    group = Group([], first=True)
    for packet in packets:
        if group.packets and packet.is_keyframe:
            yield group
            group = Group([])
        elif len(group.packets) >= _LARGEST:
            group.goes_on = True
            yield group
            group = Group([])
        group.packets.append(packet)
    if group.packets:
        yield group
