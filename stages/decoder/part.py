"""One file of a recording: its frames, all of them or those that are taken."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from stages.decoder.finding import Anchor, Packets, behind, skipped, sought
from stages.decoder.landing import landed
from stages.decoder.opening import Place, Threads, facts_of, opened
from stages.decoder.reading import Item, Reading
from stages.decoder.sampling import SAME_S, Astray, Sampler
from stages.decoder.source import SourceFacts
from stages.decoder.thinning import Used, thinned, whole

_NEAR_S = 3.0
"""So little of a file is read rather than jumped over."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file, and its place in its recording."""

    place: Place
    facts: SourceFacts
    threads: int
    thread_type: Threads
    offset_s: float = 0.0
    """From the times in the file to those of the recording."""

    @classmethod
    def of(cls, place: Place, threads: int, thread_type: Threads) -> "Part":
        """Open a file and see what it says of itself.

        Raises:
            SourceError: it is missing, unreadable, empty, no video, or without a video stream.
        """
        return cls(place, facts_of(place), threads, thread_type)

    def behind(self, before: "Part") -> "Part":
        """Return this part, its times following those of the part before."""
        return replace(self, offset_s=before.end_s - self.facts.start_s)

    @property
    def begin_s(self) -> float:
        """Where it begins in the recording."""
        return self.offset_s + self.facts.start_s

    @property
    def end_s(self) -> float:
        """Where the recording goes on behind it."""
        return self.begin_s + (self.facts.duration_s or 0.0)

    def numbered(self, anchor: Anchor | None) -> Iterator[tuple[int, Item]]:
        """Yield frames from behind the anchor on if it can be found, else all, each with its number in the file.

        Raises:
            SourceError: nothing more can be read, and it should.
        """
        if anchor is not None:
            for find in (sought, skipped):
                with self.opened() as (container, stream):
                    found = find(container, stream, anchor)
                    frames = behind(self.reading(container, stream, *found), anchor) if found else None
                    if frames is not None:
                        yield from frames
                        return
        with self.opened() as (container, stream):
            yield from enumerate(self.reading(container, stream).items())

    def items(self, after_s: float | None) -> Iterator[Item]:
        """Yield its frames by the recording's clock; only those behind the one at `after_s`, if given.

        Raises:
            SourceError: nothing more can be read, and it should.
            Astray: there is none at that time.
        """
        with self.opened() as (container, stream):
            items = ((pts_s + self.offset_s, frame) for pts_s, frame in self.reading(container, stream).items())
            if after_s is not None and not any(abs(at_s - after_s) < SAME_S for at_s, _ in items):
                raise Astray
            yield from items

    def taken(self, sampler: Sampler, *, thin: bool) -> Iterator[Item]:
        """Yield the frames that are taken; `thin`: without decoding what they don't lean on.

        Raises:
            SourceError: nothing more can be read, and it should.
            Astray: it has to be gone through from the beginning, and not thinly.
        """
        with self.opened() as (container, stream):
            uses = self._thinned(container, stream, sampler) if thin else whole(container.demux(stream))
            for pts_s, frame in self.reading(container, stream, uses=uses).items():
                at_s = pts_s + self.offset_s
                if sampler.over(at_s):
                    return
                if sampler.takes(at_s):
                    if frame is None:
                        raise Astray
                    yield at_s, frame
                elif sampler.astray:
                    raise Astray

    def _thinned(self, container: InputContainer, stream: VideoStream, sampler: Sampler) -> Iterator[Used]:
        begin_s = sampler.begin_s - self.offset_s
        jump = partial(_jumped, container, stream)
        packets = container.demux(stream)
        if begin_s - self.facts.start_s > _NEAR_S:
            packets = jump(begin_s)
        return thinned(packets, stream, sampler, self.offset_s, jump)

    def opened(self) -> AbstractContextManager[tuple[InputContainer, VideoStream]]:
        """Return the opened container and its stream.

        Raises:
            SourceError: as `of`.
        """
        return opened(self.place, self.threads, self.thread_type)

    def reading(
        self,
        container: InputContainer,
        stream: VideoStream,
        packets: Packets | None = None,
        before: int = 0,
        uses: Iterator[Used] | None = None,
    ) -> Reading:
        """Return a reading of packets of it; all if none are given."""
        return Reading(self.place, container, stream, 1 / self.facts.fps, packets, before, uses)


def _jumped(
    container: InputContainer, stream: VideoStream, at_s: float, least: int | None = None
) -> "Iterator[Packet[VideoStream]]":
    packets = landed(container, stream, at_s, least)
    if packets is None:
        raise Astray
    return packets
