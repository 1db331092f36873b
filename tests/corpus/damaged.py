"""The damaged recordings of the corpus, and what has to be left of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

from tests.corpus import damage, formats, huge
from tests.corpus.encoding import FRAMES, TICKS, Clip
from tests.corpus.formats import Recording
from tests.corpus.muxing import packets_of

GROUP: Final = 1
"""The group of pictures that is damaged."""
CLIPS: Final[Mapping[str, Clip]] = {
    "plain-h264.mp4": formats.H264,
    "b-h264.mp4": formats.H264_B,
    "b-h264.mkv": formats.H264_B,
    "b-h264.avi": formats.H264_B,
    "plain-h264.avi": formats.H264,
    "fragmented-h264.mp4": formats.H264_B,
    "interlaced-h264.mp4": formats.H264_FIELDS,
    "open-h264.mp4": formats.H264_OPEN,
    "plain-hevc.mp4": formats.HEVC,
    "b-hevc.mkv": formats.HEVC_B,
    "open-hevc.mkv": formats.HEVC_OPEN,
    "plain-vp9.webm": formats.VP9,
    "hidden-vp9.webm": formats.VP9_HIDDEN,
    "plain-av1.mp4": formats.AV1,
    "plain-av1.webm": formats.AV1,
    "plain-mpeg4.avi": formats.MPEG4,
    "b-mpeg4.mp4": formats.MPEG4_B,
    "b-mpeg4.avi": formats.MPEG4_B,
    "plain-mjpeg.avi": formats.MJPEG,
    "plain-mjpeg.mov": formats.MJPEG,
    "b-h264.ts": formats.H264_B,
    "open-h264.ts": formats.H264_OPEN,
    "b-hevc.ts": formats.HEVC_B,
}
"""What is damaged in one group of pictures."""
SPOILS: Final[Mapping[str, damage.Spoil]] = {
    "noise": damage.noise,
    "zeros": damage.hole,
    "keyframe": damage.keyless,
    "one packet": damage.one,
    "bits": damage.flipped,
}
UNFRAMED: Final = {"ts", "m2ts"}
"""Containers in which a frame is found by its own bytes: where those are gone, nobody knows that there was one."""
UNTIMED: Final = {"b-h264.avi", "b-mpeg4.avi"}
"""Without times of B-frames the place of a lost one is known but for those that the decoder keeps back."""
_KEPT_BACK: Final = 2


@dataclass(frozen=True)
class Damaged:
    """A recording, and what happens to it."""

    base: Recording
    damage: str
    spoil: Callable[[Path], object]

    def make(self, path: Path) -> Path:
        """Write it, and return its path."""
        self.base.make(path)
        self.spoil(path)
        return path

    @property
    def id(self) -> str:
        """A name for it."""
        return f"{self.base.name}-{self.damage}".replace(" ", "-")


def in_a_group() -> Iterator[Damaged]:
    """Yield recordings of which one group of pictures is damaged."""
    by_name = {recording.name: recording for recording in formats.recordings()}
    for name in CLIPS:
        for what, spoil in SPOILS.items():
            yield Damaged(by_name[name], what, partial(damage.spoiled, group=GROUP, spoil=spoil))


@cache
def lost(name: str) -> frozenset[int]:
    """Return the frames that a damaged group may cost: its own, and those of the next one that lean on it."""
    packets = packets_of(CLIPS[name])
    times = [packet.pts or 0 for packet in packets]
    number = {ticks: place for place, ticks in enumerate(sorted(times))}
    keys = [place for place, packet in enumerate(packets) if packet.is_keyframe]
    begin, end = keys[GROUP], keys[GROUP + 1]
    leading = [ticks for ticks in times[end:] if ticks < times[end]]
    own = {number[ticks] for ticks in [*times[begin:end], *leading]}
    if name in UNTIMED:
        own |= {min(own) - back for back in range(1, _KEPT_BACK + 1)}
    if name.rpartition(".")[2] in UNFRAMED:
        own |= {max(own) + 1}  # the frame behind may be taken for the rest of a damaged one
    return frozenset(own)


def number_at(pts_s: float) -> int:
    """Return which frame is shown so long after the first one."""
    return round(pts_s * TICKS / formats.FRAME_MS)


def anyhow() -> Iterator[Damaged]:
    """Yield recordings that are damaged somewhere."""
    anywhere = (damage.scattered, damage.at_the_head, damage.at_the_end, damage.torn_out)
    for place, recording in enumerate(_one_of_each()):
        for spoil in anywhere:
            yield Damaged(recording, f"{spoil.__name__} {place}", partial(spoil, seed=place))


def cut(shares: Sequence[float] = (0.35, 0.7, 0.97)) -> Iterator[Damaged]:
    """Yield recordings whose end is missing."""
    for recording in _one_of_each():
        for share in shares:
            yield Damaged(recording, f"{share:.0%} left", partial(damage.cut, share=share))


def unindexed() -> Iterator[Damaged]:
    """Yield recordings without an index."""
    for recording in _one_of_each():
        if recording.container in {"mp4", "mov", "avi", "mkv"} and recording.trait != "fragments":
            yield Damaged(recording, "no index", damage.unindexed)


def oversized() -> Iterator[Damaged]:
    """Yield recordings that declare sizes which nobody has memory for."""
    by_name = {recording.name: recording for recording in formats.recordings()}
    edits: Sequence[tuple[str, huge.Edit]] = [
        *(("b-h264.mp4", edit) for edit in huge.OF_MP4),
        ("b-h264.avi", huge.chunk),
        ("plain-mjpeg.avi", huge.jpeg),
        ("b-h264.mkv", huge.cluster),
        ("live.mkv", huge.cluster),
        ("plain-vp9.webm", huge.vp9),
        ("plain-mjpeg.mov", huge.jpeg),
        ("plain-gif.gif", huge.gif),
    ]
    for name, edit in edits:
        yield Damaged(by_name[name], f"huge {edit.__name__}", edit)


def _one_of_each() -> Iterator[Recording]:
    seen = set()
    for recording in formats.recordings():
        kind = (recording.container, recording.codec, recording.trait == "fragments")
        if kind not in seen and len(recording.shows) == FRAMES:
            seen.add(kind)
            yield recording
