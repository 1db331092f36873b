"""Pictures that say their number, encoded once and kept in memory until they are put into containers."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Final, cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline import strip

RATE: Final = 25
FRAMES: Final = 48
GOP: Final = 12
SIZE: Final = (176, 96)
TICKS: Final = 1000
"""A second."""
_STRIDE: Final = 3
"""Pixels by which the backdrop moves in a frame."""


@dataclass(frozen=True)
class Clip:
    """What is to be encoded; frame n shows `first + n`."""

    codec: str
    frames: int = FRAMES
    first: int = 0
    size: tuple[int, int] = SIZE
    pix_fmt: str = "yuv420p"
    options: tuple[tuple[str, str], ...] = ()
    b_frames: int = 0
    times_ms: tuple[int, ...] = ()
    """Steady if not given."""
    turns: int = 0
    """Quarter turns counterclockwise that set the pictures upright."""

    @property
    def times(self) -> Sequence[int]:
        """When each frame is shown, in ticks."""
        return self.times_ms or [number * TICKS // RATE for number in range(self.frames)]


QUALITY: Final[Mapping[str, Mapping[str, str]]] = {
    "libx264": {"preset": "veryfast", "crf": "20", "g": str(GOP), "sc_threshold": "0"},
    "libx265": {
        "preset": "ultrafast",
        "crf": "20",
        "x265-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:log-level=none:pools=none:frame-threads=1:open-gop=0",
    },
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "24", "b": "0", "g": str(GOP)},
    "libsvtav1": {"preset": "10", "crf": "20", "g": str(GOP), "svtav1-params": "lp=1"},
    "mpeg4": {"qmin": "2", "qmax": "4", "g": str(GOP)},
    "mjpeg": {"qmin": "2", "qmax": "3"},
    "gif": {},
}


@cache
def encoded(clip: Clip) -> bytes:
    """Return the clip in a NUT container, which keeps all times as they are."""
    file = io.BytesIO()
    with av.open(file, "w", format="nut") as container:
        stream = container.add_stream(clip.codec, rate=RATE, options={**QUALITY[clip.codec], **dict(clip.options)})
        stream = cast(VideoStream, stream)
        stream.width, stream.height = clip.size
        stream.pix_fmt = clip.pix_fmt
        stream.codec_context.time_base = stream.time_base = Fraction(1, TICKS if clip.times_ms else RATE)
        stream.codec_context.max_b_frames = clip.b_frames
        stream.codec_context.thread_count = 1
        for picture, ticks in zip(_pictures(clip), clip.times, strict=True):
            picture.pts, picture.time_base = ticks, Fraction(1, TICKS)  # the encoder's are coarser if it is steady
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return file.getvalue()


def picture(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Return a picture, BGR uint8 (H, W, 3), that says its number before a backdrop that moves."""
    width, height = size
    image = np.roll(_backdrop(size), number * _STRIDE, axis=1)
    strip.stamp(image, number)
    assert image.shape == (height, width, 3)
    return image


def _pictures(clip: Clip) -> Iterator[VideoFrame]:
    for number in range(clip.first, clip.first + clip.frames):
        upright = clip.size[::-1] if clip.turns % 2 else clip.size
        lying = np.ascontiguousarray(np.rot90(picture(number, upright), -clip.turns))
        yield VideoFrame.from_ndarray(lying, "bgr24").reformat(format=clip.pix_fmt)


@cache
def _backdrop(size: tuple[int, int]) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(7).integers(40, 200, (size[1] // 8 + 1, size[0] // 8 + 1, 3), np.uint8)
    return cast(NDArray[np.uint8], coarse.repeat(8, 0).repeat(8, 1)[: size[1], : size[0]].copy())
