"""Short videos for tests, cut from the demo's, each frame with its number in it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

DEMO: Final = Path(__file__).parents[1] / "demo/car-park.mp4"
RATE: Final = 25
_BITS: Final = 8
_SIDE: Final = 24
"""Of the square that shows a bit, in pixels."""
CREATED: Final = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)


def write_clip(path: Path, frames: int, *, first: int = 0, size: tuple[int, int] = (384, 216)) -> Path:
    """Write an H.264 recording, its index at the start, of up to 256 frames of the demo at 25 a second."""
    options = {"preset": "ultrafast", "g": "20", "bf": "2"}
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as output:
        output.metadata["creation_time"] = CREATED.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        stream = output.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(_demo(first, frames)):
            image = np.asarray(frame.to_ndarray(format="bgr24", width=size[0], height=size[1]), np.uint8)
            picture = VideoFrame.from_ndarray(_numbered(image, number), "bgr24").reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, RATE)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """Write a recording that has sound only."""
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16_000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def marks(path: Path) -> NDArray[np.float64]:
    """Return how bright the bits of its number are in each picture of a video, shape (N, 8), in [0, 255]."""
    with av.open(str(path)) as container:
        greys = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    corners = [grey[-_SIDE:, -_SIDE * _BITS :].reshape(_SIDE, _BITS, _SIDE) for grey in greys]
    means: NDArray[np.float64] = np.mean(corners, axis=(1, 3))
    return means


def numbers(path: Path) -> list[int]:
    """Return the number that each picture of a video shows."""
    return [int(number) for number in (marks(path) > 127) @ (1 << np.arange(_BITS))]


def times(path: Path) -> list[float]:
    """Return the time of each picture of a video, in seconds."""
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def _demo(first: int, frames: int) -> Iterator[VideoFrame]:
    with av.open(str(DEMO)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= first + frames:
                return
            if number >= first:
                yield frame


def _numbered(image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Paint a number into the lower right corner, a bit a square."""
    bits = np.array([number >> bit & 1 for bit in range(_BITS)], np.uint8)
    image[-_SIDE:, -_SIDE * _BITS :] = (bits * 255).repeat(_SIDE)[None, :, None]
    return image
