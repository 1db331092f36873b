"""Which packets of a recording need not be decoded where only some of its frames are taken.

What no taken frame leans on is left out: the rest of a group of pictures behind the last one that is taken, whole
groups, and single pictures that no other leans on. Where a container's times are such that it can't be known from its
packets, all is decoded. Nothing depends on that guess being right: frames are counted where they leave the decoder.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from itertools import pairwise
from typing import Final, TypeAlias

from av.packet import Packet
from av.video.stream import VideoStream

from stages.decoder.groups import INDEPENDENT, Group, groups
from stages.decoder.sampling import Sampler

_FAR_S: Final = 5.0
"""A seek costs about as much as to read so many seconds."""


class Use(Enum):
    """What a packet is for."""

    WHOLE = "whole"
    """Its frame is taken, or may be."""
    REFERENCE = "reference"
    """Its frame is not taken, but others may lean on it."""
    NONE = "none"
    """It can be left out, with all that leans on it, up to the next keyframe."""
    BROKEN = "broken"
    """What it leans on was left out; the packets behind it are well."""


Used: TypeAlias = "tuple[Packet[VideoStream], Use]"


Jump: TypeAlias = "Callable[[float, int | None], Iterator[Packet[VideoStream]]]"
"""Returns packets from a keyframe on, not after a time (seconds) nor before another (ticks); else raises Astray."""


def whole(packets: "Iterator[Packet[VideoStream]]") -> Iterator[Used]:
    """Yield all packets, to be decoded."""
    return ((packet, Use.WHOLE) for packet in packets)


def thinned(
    packets: "Iterator[Packet[VideoStream]]", stream: VideoStream, sampler: Sampler, offset_s: float, jump: Jump
) -> Iterator[Used]:
    """Yield packets, each with what it is for; where nothing is taken for long, jump there.

    `offset_s`: from the times of the packets to those of `sampler`, which stays as it is.
    """
    if stream.codec_context.name not in INDEPENDENT or stream.time_base is None:
        return whole(packets)
    return _Thinning(sampler.copy(), float(stream.time_base), offset_s, jump).uses(packets)


class _Thinning:
    def __init__(self, sampler: Sampler, second: float, offset_s: float, jump: Jump) -> None:
        self._sampler, self._second, self._offset_s, self._jump = sampler, second, offset_s, jump
        self._taken: set[int] = set()
        """Times of the packets whose frames are taken, as far as they are not dealt with."""
        self._decoding = False
        """Whether the decoder has all that the next packets lean on."""

    def uses(self, packets: "Iterator[Packet[VideoStream]]") -> Iterator[Used]:
        found = groups(packets)
        before: Group | None = None
        while (group := next(found, None)) is not None:
            if before is not None:
                yield from self._decided(before, group)
                if self._is_far(group):
                    yield group.packets[0], Use.NONE  # before the seek, which empties the decoder
                    self._decoding, found = False, groups(self._ahead(group))
                    group = next(found, None)
            before = group
        if before is not None:
            yield from self._decided(before, Group([]))

    def _is_far(self, group: Group) -> bool:
        """Return whether nothing is taken for long, in this group and behind it."""
        times = [packet.pts for packet in group.packets if packet.pts is not None]
        if self._taken or not times or not group.is_whole:
            return False
        return self._due_s - max(times) * self._second > _FAR_S

    def _ahead(self, group: Group) -> "Iterator[Packet[VideoStream]]":
        """Return packets from where something is taken again."""
        return self._jump(self._due_s, group.packets[0].pts)

    @property
    def _due_s(self) -> float:
        return self._sampler.due_s - self._offset_s

    def _decided(self, group: Group, following: Group) -> Iterator[Used]:
        leading = following.leading if following.packets and not group.goes_on else []
        if not self._foresee(group, leading):
            self._decoding = True
            yield from ((packet, Use.WHOLE) for packet in group.packets)
            return
        wanted = [place for place, packet in enumerate(group.packets) if packet.pts in self._taken]
        last = wanted[-1] if wanted else -1
        if group.goes_on or any(packet.pts in self._taken for packet in leading) or not group.is_whole:
            last = len(group.packets)
        yield from self._used(group, last)
        self._decoding = last >= len(group.packets) - 1

    def _used(self, group: Group, last: int) -> Iterator[Used]:
        lost = set() if self._decoding else {packet.pts for packet in group.leading}
        for place, packet in enumerate(group.packets):
            if packet.size == 0:
                yield packet, Use.WHOLE  # the end
            elif place > last:
                yield packet, Use.NONE
            elif packet.pts in lost:
                yield packet, Use.BROKEN
            else:
                yield packet, Use.WHOLE if packet.pts in self._taken else Use.REFERENCE
            self._taken.discard(packet.pts or 0)

    def _foresee(self, group: Group, leading: "Sequence[Packet[VideoStream]]") -> bool:
        """Find out which frames are taken; return whether that can be told from the packets."""
        own = {id(packet) for packet in group.leading} if group.is_whole else set()
        shown = [packet for packet in group.packets if id(packet) not in own and packet.size] + list(leading)
        times = sorted(packet.pts for packet in shown if packet.pts is not None)
        is_plain = len(times) == len(shown) and all(a < b for a, b in pairwise(times))
        is_plain = is_plain and not any(packet.is_discard or packet.is_corrupt for packet in shown)
        self._taken.update(ticks for ticks in times if self._sampler.takes(ticks * self._second + self._offset_s))
        return is_plain
