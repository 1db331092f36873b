"""The recordings of the corpus: how each is made, and which pictures it shows."""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from tests.corpus import boxes, streams
from tests.corpus.encoding import FRAMES, GOP, RATE, TICKS, Clip
from tests.corpus.muxing import Track, mux, packets_of, shifted

Make: TypeAlias = Callable[[Path], object]
Packets: TypeAlias = "list[Packet[VideoStream]]"

H264: Final = Clip("libx264")
H264_B: Final = Clip("libx264", b_frames=3, options=(("b-pyramid", "normal"),))
H264_OPEN: Final = Clip("libx264", b_frames=3, options=(("x264-params", "open-gop=1"),))
H264_INBAND: Final = Clip("libx264", b_frames=3, options=(("x264-params", "repeat-headers=1"),))
H264_10: Final = Clip("libx264", pix_fmt="yuv420p10le")
H264_ODD: Final = Clip("libx264", size=(177, 97), pix_fmt="yuv444p")
H264_FIELDS: Final = Clip("libx264", options=(("flags", "+ildct+ilme"),))
HEVC: Final = Clip("libx265")
HEVC_B: Final = Clip("libx265", b_frames=3)
_HEVC_PARAMS: Final = f"keyint={GOP}:min-keyint={GOP}:scenecut=0:log-level=none:pools=none:frame-threads=1"
HEVC_OPEN: Final = Clip("libx265", b_frames=3, options=(("x265-params", f"{_HEVC_PARAMS}:open-gop=1"),))
HEVC_INBAND: Final = Clip("libx265", b_frames=3, options=(("x265-params", f"{_HEVC_PARAMS}:repeat-headers=1"),))
HEVC_10: Final = Clip("libx265", pix_fmt="yuv420p10le")
VP9: Final = Clip("libvpx-vp9")
VP9_HIDDEN: Final = Clip("libvpx-vp9", options=(("deadline", "good"), ("lag-in-frames", "16"), ("auto-alt-ref", "1")))
VP9_ODD: Final = Clip("libvpx-vp9", size=(177, 97))
AV1: Final = Clip("libsvtav1")
AV1_10: Final = Clip("libsvtav1", pix_fmt="yuv420p10le")
MPEG4: Final = Clip("mpeg4")
MPEG4_B: Final = Clip("mpeg4", b_frames=2)
MPEG4_ODD: Final = Clip("mpeg4", size=(177, 97))
MPEG4_FIELDS: Final = Clip("mpeg4", options=(("flags", "+ildct+ilme"),))
MJPEG: Final = Clip("mjpeg", pix_fmt="yuvj420p")
MJPEG_ODD: Final = Clip("mjpeg", pix_fmt="yuvj422p", size=(177, 97))
GIF: Final = Clip("gif", pix_fmt="rgb8")
GIF_ODD: Final = Clip("gif", pix_fmt="rgb8", size=(177, 97))
SMALL: Final = Clip("libx264", size=(96, 64))
VARIED_MS: Final = tuple(40 * (n + n * n // 20) for n in range(FRAMES))
"""Uneven steps, on the grid of 25 frames a second for AVI's sake."""

FRAGMENTED: Final = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
MILLISECONDS: Final = {"video_track_timescale": str(TICKS)}
FRAME_MS: Final = TICKS // RATE
STEADY_MS: Final = range(0, FRAMES * FRAME_MS, FRAME_MS)
WRAP_MS: Final = 2**33 * TICKS // 90_000


@dataclass(frozen=True)
class Recording:
    """A file of the corpus."""

    name: str
    """Of the file."""
    codec: str
    trait: str
    make: Make
    shows: Sequence[int] = range(FRAMES)
    """The numbers in its pictures, in order."""
    times_ms: Sequence[int] | None = None
    """When each is shown, from the first one on; steadily if not given."""

    @property
    def container(self) -> str:
        """What it is called by."""
        return self.name.rpartition(".")[2]


def recordings() -> list[Recording]:
    """Return the corpus."""
    return [*_plain(), *_reordered(), *_pictures(), *_times(), *_edited(), *_several(), *_unindexed(), *_changing()]


def _plain() -> Iterator[Recording]:
    containers = {
        ("H.264", H264): ("mp4", "mov", "mkv", "avi", "ts", "m2ts"),
        ("HEVC", HEVC): ("mp4", "mov", "mkv", "ts"),
        ("VP9", VP9): ("webm", "mkv", "mp4"),
        ("AV1", AV1): ("webm", "mkv", "mp4"),
        ("MPEG-4", MPEG4): ("avi", "mp4", "mov", "mkv"),
        ("MJPEG", MJPEG): ("avi", "mov", "mkv"),
        ("GIF", GIF): ("gif",),
    }
    for (codec, clip), suffixes in containers.items():
        for suffix in suffixes:
            options = {"mpegts_m2ts_mode": "1"} if suffix == "m2ts" else {}
            yield _muxed(f"plain-{_slug(codec)}.{suffix}", codec, "", clip, options=options)
    for codec, clip in (("H.264", H264), ("HEVC", HEVC), ("MJPEG", MJPEG)):
        yield Recording(f"raw.{_slug(codec)}", codec, "no container", _raw(clip))
    yield _muxed("fragmented-h264.mp4", "H.264", "fragments", H264_B, options=FRAGMENTED)
    yield _muxed("fragmented-av1.mp4", "AV1", "fragments", AV1, options=FRAGMENTED)


def _reordered() -> Iterator[Recording]:
    for suffix in ("mp4", "mkv", "avi", "ts"):
        yield _muxed(f"b-h264.{suffix}", "H.264", "B-frames", H264_B)
    for suffix in ("mp4", "mkv", "ts"):
        yield _muxed(f"b-hevc.{suffix}", "HEVC", "B-frames", HEVC_B)
    for suffix in ("avi", "mp4", "mkv"):
        yield _muxed(f"b-mpeg4.{suffix}", "MPEG-4", "B-frames", MPEG4_B)
    yield Recording("raw-b.h264", "H.264", "B-frames, no container", _raw(H264_B))
    yield _muxed("hidden-vp9.webm", "VP9", "hidden frames", VP9_HIDDEN)
    for suffix in ("mp4", "ts"):
        yield _muxed(f"open-h264.{suffix}", "H.264", "open GOPs", H264_OPEN)
    yield _muxed("open-hevc.mkv", "HEVC", "open GOPs", HEVC_OPEN)


def _pictures() -> Iterator[Recording]:
    yield _muxed("odd-h264.mp4", "H.264", "odd size", H264_ODD)
    yield _muxed("odd-vp9.webm", "VP9", "odd size", VP9_ODD)
    yield _muxed("odd-mpeg4.avi", "MPEG-4", "odd size", MPEG4_ODD)
    yield _muxed("odd-mjpeg.mov", "MJPEG", "odd size", MJPEG_ODD)
    yield _muxed("odd-gif.gif", "GIF", "odd size", GIF_ODD)
    yield _muxed("10bit-h264.mp4", "H.264", "10 bits", H264_10)
    yield _muxed("10bit-hevc.mkv", "HEVC", "10 bits", HEVC_10)
    yield _muxed("10bit-av1.mp4", "AV1", "10 bits", AV1_10)
    yield _muxed("interlaced-h264.ts", "H.264", "interlaced", H264_FIELDS)
    yield _muxed("interlaced-h264.mp4", "H.264", "interlaced", H264_FIELDS)
    yield _muxed("interlaced-mpeg4.avi", "MPEG-4", "interlaced", MPEG4_FIELDS)
    for turns, suffix in ((1, "mp4"), (2, "mov"), (3, "mp4"), (3, "mkv")):
        track = Track(replace(H264_B, turns=turns), rotation=90 * turns)
        yield _of(f"turned-{90 * turns}.{suffix}", f"turned by {90 * turns}°", track)


def _times() -> Iterator[Recording]:
    yield _varied("vfr-h264.mp4", "H.264", H264_B)
    yield _varied("vfr-h264.mkv", "H.264", H264_B)
    yield _varied("vfr-h264.ts", "H.264", H264_B)
    yield _varied("vfr-mjpeg.avi", "MJPEG", MJPEG)
    yield _varied("vfr-vp9.webm", "VP9", VP9)
    yield _varied("vfr-gif.gif", "GIF", GIF)
    yield _muxed("far.ts", "H.264", "starts at 10 h", H264_B, edit=shifted(36_000_000))
    yield _muxed("wrap.ts", "H.264", "pts wraps around", H264_B, edit=shifted(WRAP_MS - 1000))
    yield Recording("timeless.ts", "H.264", "few times", lambda path: streams.forget_times(mux(path, H264), 5))
    yield Recording("again.ts", "H.264", "times fall back", _again, [*range(FRAMES)] * 2, [*STEADY_MS] * 2)
    twice = [FRAME_MS * (number + (number % 8 == 7 and number < FRAMES - 1)) for number in range(FRAMES)]
    for suffix in ("mp4", "mkv"):
        recording = _muxed(f"twice.{suffix}", "H.264", "times occur twice", H264, edit=_doubled)
        yield replace(recording, times_ms=twice)
    yield Recording("negative.mp4", "H.264", "negative first pts", _negative)
    options = {"avoid_negative_ts": "disabled"}
    unsigned = _muxed("negative.mkv", "H.264", "negative first pts", H264, edit=shifted(-200), options=options)
    yield replace(unsigned, times_ms=[*STEADY_MS[:5], *STEADY_MS[: FRAMES - 5]])


def _varied(name: str, codec: str, clip: Clip) -> Recording:
    return replace(_muxed(name, codec, "variable rate", replace(clip, times_ms=VARIED_MS)), times_ms=VARIED_MS)


def _again(path: Path) -> None:
    mux(path, H264_INBAND)
    path.write_bytes(path.read_bytes() * 2)


def _doubled(packets: Packets) -> Packets:
    """Give every eighth frame the time of the one behind it."""
    for packet, behind in list(pairwise(packets))[7::8]:
        packet.pts = behind.pts
    return packets


def _negative(path: Path) -> None:
    mux(path, H264_B, options={**MILLISECONDS, "use_editlist": "0"})

    def earlier(content: bytes) -> bytes:
        count = struct.unpack_from(">I", content, 4)[0]
        entries = struct.iter_unpack(">Ii", content[8:])
        moved = b"".join(struct.pack(">Ii", samples, offset - 400) for samples, offset in entries)
        return struct.pack(">II", 1 << 24, count) + moved

    boxes.change(path, "moov/trak/mdia/minf/stbl/ctts", earlier)


def _edited() -> Iterator[Recording]:
    first = 2 * FRAME_MS
    whole = FRAMES * FRAME_MS
    yield _edit("start", "start cut off", [(whole - 400, first + 400)], range(10, FRAMES))
    yield _edit("end", "end cut off", [(1000, first)], range(25))
    yield _edit("late", "starts later", [(1000, -1), (whole, first)], range(FRAMES))
    yield _edit("again", "shown twice", [(400, first), (400, first)], [*range(10)] * 2)
    middle = _edit("middle", "middle cut out", [(400, first), (800, first + 1040)], [*range(10), *range(26, 46)])
    # FFmpeg goes on a frame later than the list says.
    yield replace(middle, times_ms=[*STEADY_MS[:10], *STEADY_MS[11:31]])


def _edit(name: str, what: str, edits: Sequence[boxes.Edit], shows: Sequence[int]) -> Recording:
    return Recording(f"edit-{name}.mp4", "H.264", f"edit list, {what}", partial(_with_edits, edits), shows)


def _with_edits(edits: Sequence[boxes.Edit], path: Path) -> None:
    boxes.set_edits(mux(path, H264_B, options=MILLISECONDS), edits)


def _several() -> Iterator[Recording]:
    for suffix in ("mp4", "mkv", "avi", "ts"):
        yield _muxed(f"sound-first.{suffix}", "H.264", "audio first", H264, sound=True)
    main = Track(H264_B, disposition=Disposition.default)
    other = Track(replace(SMALL, first=1000), disposition=Disposition(0))
    cover = Track(replace(MJPEG, frames=1, size=(320, 320)), disposition=Disposition.attached_pic)
    yield _of("two-streams.mp4", "several video streams", other, main)
    yield _of("two-streams.mkv", "several video streams", other, main)
    yield _of("two-streams.ts", "several video streams", main, other)  # it can't say which one is the main one
    yield _of("cover.mp4", "cover art", cover, main)
    yield Recording("cover.mkv", "H.264", "cover art", partial(_attached, cover.clip))


def _attached(cover: Clip, path: Path) -> None:
    mux(path, H264_B, attachment=bytes(packets_of(cover)[0]))


def _unindexed() -> Iterator[Recording]:
    yield _muxed("live.mkv", "H.264", "no index, no length", H264_B, options={"live": "1"})


def _changing() -> Iterator[Recording]:
    yield _resized("resized-h264.ts", "H.264", H264_INBAND)
    yield _resized("resized-h264.mkv", "H.264", H264_INBAND)
    yield _resized("resized-hevc.ts", "HEVC", HEVC_INBAND)
    yield _resized("resized-vp9.webm", "VP9", VP9)


def _resized(name: str, codec: str, clip: Clip) -> Recording:
    half = FRAMES // 2
    rest = replace(clip, frames=half, first=half, size=(264, 144))
    start = replace(clip, frames=half)
    return _muxed(name, codec, "size changes", start, edit=lambda packets: _followed(packets, rest))


def _followed(packets: Packets, rest: Clip) -> Iterator["Packet[VideoStream]"]:
    yield from packets
    yield from shifted(round(sum(1 for _ in packets) * FRAME_MS))(packets_of(rest))


def _of(name: str, trait: str, *tracks: Track, **options: Any) -> Recording:
    return Recording(name, "H.264", trait, lambda path: mux(path, *tracks, **options))


def _muxed(name: str, codec: str, trait: str, clip: Clip, edit: Any = list, **options: Any) -> Recording:
    if name.endswith(".avi"):
        options["time_base"] = Fraction(1, RATE)
    return Recording(name, codec, trait, lambda path: mux(path, Track(clip, edit), **options))


def _raw(clip: Clip) -> Make:
    return lambda path: streams.write_raw(path, clip)


def _slug(codec: str) -> str:
    return codec.lower().replace(".", "").replace("-", "")
