"""Which packets have become frames, and which never will: each has its place, so that numbers stay what they were.

Some decoders report the error of one packet at another one, and some pass over a damaged packet without a word. What
tells is the time: a packet whose time has been passed, and that can't be in the decoder any more, is lost. Where a
container gives no times, what tells is the count of those that are in the decoder.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from av.video.frame import VideoFrame

from stages.decoder.flying import Flying

Fate: TypeAlias = tuple[int | None, VideoFrame | str | None]
"""Time in ticks, if it has one, and the frame, or why there is none; None where nobody wanted it."""

_KEPT_BACK: Final = 17
"""Packets after which a frame has come out, threads aside: H.264 and HEVC keep back 16 at most."""
_A_PICTURE_EACH: Final = frozenset({"av1", "gif", "h264", "hevc", "libdav1d", "mjpeg", "mpeg4", "vp9"})
"""Decoders that show a picture for each packet."""
_OR_NOT: Final = frozenset({"mpeg4", "vp9"})
"""Some of their packets say that nothing has changed, or hold what is not to be shown."""
_PASSED_OVER: Final = "can't be decoded (the decoder passes over it)"


@dataclass(slots=True, eq=False)
class _Sent:
    """A packet that came by."""

    order: int
    ticks: int
    error: str | None
    """None if its frame isn't wanted."""
    waiting: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A frame that came out, and the packets whose frames should have come before."""

    ticks: int | None
    frame: VideoFrame
    missing: Sequence[_Sent]
    untimed: Sequence[str]
    until: int
    """What is missing when so many packets have been sent is lost."""


class Fates:
    """Follows packets into a decoder and frames out of it."""

    def __init__(self, codec: str, threads: int) -> None:
        """`codec` is the decoder's name; each of its `threads` that work on frames of their own keeps one back."""
        self._codec, self._each = codec, codec in _A_PICTURE_EACH
        self._in_doubt = codec in _OR_NOT
        """Whether a packet without a frame is as it should be, as long as the decoder has found nothing wrong."""
        self._erred = False
        self._kept_back = _KEPT_BACK + threads
        self._flying = Flying(threads)
        self._count = 0
        self._first: int | None = None
        self._last: int | None = None
        """Ticks of the frames that came out first and last."""
        self._waiting: dict[int, deque[_Sent]] = {}
        self._held: deque[_Held] = deque()

    def sent(self, ticks: int | None) -> None:
        """Note a packet that goes into the decoder, and when its frame is to be shown."""
        self._count += 1
        # Not to be shown: what leans on pictures before the one that the recording begins with.
        leads = ticks is not None and self._first is not None and ticks < self._first
        if ticks is None:
            self._flying.sent()
        elif self._each and not leads:
            self._waits(ticks, _PASSED_OVER)

    def unwanted(self, ticks: int | None) -> None:
        """Note a packet whose frame nobody wants: it may come out or not."""
        self._count += 1
        if ticks is not None:
            self._waits(ticks, None)

    def failed(self, ticks: int | None, error: str) -> None:
        """Note what the decoder says to the packet that was sent last."""
        self._erred, self._in_doubt = True, False
        if ticks is None:
            self._flying.failed(error, sum(sent.error == _PASSED_OVER for sent in self._all()))
        elif ticks in self._waiting:
            self._waiting[ticks][-1].error = error
        else:
            self._waits(ticks, error)

    def came(self, frame: VideoFrame) -> None:
        """Note a frame that comes out of the decoder."""
        ticks = frame.dts if frame.pts is None else frame.pts
        own = self._taken(frame.pts)
        untimed = self._flying.came(timed=own is not None)
        if self._first is None:
            self._first = ticks
            self._forget([sent for sent in self._all() if ticks is not None and sent.ticks < ticks])
            self._in_doubt |= frame.interlaced_frame and self._codec == "h264"  # a packet may be half a picture
        missing = [sent for sent in self._all() if self._passed(sent, ticks, own)]
        if self._in_doubt and any(sent.error for sent in missing):
            self._each = False
            self._forget(self._all())
        held = _Held(ticks, frame, missing, untimed, self._count + self._kept_back)
        late = next((place for place, behind in enumerate(self._held) if own in behind.missing), None)
        if late is None or not self._erred:
            self._held.append(held)
            self._last = ticks
        else:
            self._held.insert(late, held)

    def settled(self, depth: int, *, end: bool = False) -> Iterator[Fate]:
        """Yield the frames before which nothing more can come, and the lost ones at their places; all at the end.

        `depth`: so many frames the decoder keeps back to bring them in order.
        """
        if self._each and not self._in_doubt:
            self._flying.look(None if end else depth, _PASSED_OVER)
        while self._held:
            head = self._held[0]
            missing = [sent for sent in head.missing if sent.waiting]
            if any(sent.error for sent in missing) and not end and self._count < head.until:
                return
            yield from self._gone(missing, head.untimed)
            self._held.popleft()
            yield head.ticks, head.frame
        if end:
            if self._first is None:
                self._forget(self._all())
            yield from self._gone(self._all(), self._flying.rest())

    def _waits(self, ticks: int, error: str | None) -> None:
        self._waiting.setdefault(ticks, deque()).append(_Sent(self._count, ticks, error))

    def _taken(self, ticks: int | None) -> _Sent | None:
        """Return the packet of a frame, which waits no more."""
        waiting = self._waiting.get(ticks) if ticks is not None else None
        return self._settle(waiting[0]) if waiting else None

    def _settle(self, sent: _Sent) -> _Sent:
        sent.waiting = False
        waiting = self._waiting[sent.ticks]
        waiting.remove(sent)
        if not waiting:
            del self._waiting[sent.ticks]
        return sent

    def _all(self) -> list[_Sent]:
        return [sent for waiting in self._waiting.values() for sent in waiting]

    def _forget(self, packets: Sequence[_Sent]) -> None:
        """Wait no more for those of which the decoder has said nothing."""
        for sent in packets:
            if sent.error == _PASSED_OVER:
                self._settle(sent)

    def _passed(self, sent: _Sent, ticks: int | None, own: _Sent | None) -> bool:
        """Return whether a frame should have come before this one: by its time, or because it was sent so long ago."""
        if own is not None and sent.order < own.order - 2 * self._kept_back:
            return True
        return ticks is not None and sent.ticks < ticks and (self._last is None or self._last < sent.ticks)

    def _gone(self, packets: Sequence[_Sent], untimed: Sequence[str]) -> Iterator[Fate]:
        for sent in sorted(packets, key=lambda sent: sent.ticks):
            self._settle(sent)
            yield sent.ticks, sent.error
        yield from ((None, error) for error in untimed)
