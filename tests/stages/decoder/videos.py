"""Small real videos, each frame of which says its own number."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

TICKS = 90_000
_BITS = 8


def make(
    path: Path,
    times_s: Sequence[float],
    size: tuple[int, int] = (64, 48),
    images: Sequence[NDArray[np.uint8]] | None = None,
    rotation: float = 0,
    b_frames: int = 0,
    audio_first: bool = False,
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    tune: dict[str, str] | None = None,
    codec: str = "libx264",
) -> Path:
    """Encode a video of a frame at each of the times, and return its path."""
    with av.open(str(path), "w", options=options or {}) as container:
        container.metadata.update(metadata or {})
        sound = container.add_stream("aac", rate=48_000) if audio_first else None
        settings = {"preset": "ultrafast", "crf": "23"} if codec in ("libx264", "libx265") else {}
        stream = container.add_stream(codec, rate=25, options=settings | (tune or {}))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
        tick = Fraction(1, TICKS if codec.startswith("libx") else 25)  # MPEG-4 takes no finer one than 65535
        stream.time_base = stream.codec_context.time_base = tick
        stream.codec_context.max_b_frames = b_frames
        if rotation:
            stream.set_display_rotation(rotation)
        for seq, time_s in enumerate(times_s):
            image = images[seq] if images else numbered(seq, size)
            frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = round(time_s / tick), tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            container.mux(sound.encode(_silence()))
            container.mux(sound.encode(None))
    return path


def make_sound(path: Path) -> Path:
    """Encode a file without a video stream."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48_000)
        container.mux(sound.encode(_silence()))
        container.mux(sound.encode(None))
    return path


def steady(frames: int, fps: float = 25) -> list[float]:
    return [seq / fps for seq in range(frames)]


def numbered(seq: int, size: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    """Return a picture whose upper half says its number in black and white, over noise to fill the file with."""
    width, height = size
    image: NDArray[np.uint8] = np.random.default_rng(seq).integers(0, 255, (height, width, 3), np.uint8)
    bits = np.array([seq >> bit & 1 for bit in range(_BITS)])
    image[: height // 2] = (bits[np.arange(width) * _BITS // width] * 200 + 28)[None, :, None]
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    """Return which frame this is, whatever its size."""
    height, width = image.shape[:2]
    middles = ((np.arange(_BITS) + 0.5) * width / _BITS).astype(int)
    bits = image[: height // 3, middles].mean((0, 2)) > 128
    return int((bits << np.arange(_BITS)).sum())


def frame_times(path: Path) -> list[float]:
    """Return when each frame of a video is shown."""
    with av.open(str(path)) as container:
        stream: VideoStream = container.streams.video[0]
        return [float(frame.pts * stream.time_base) for frame in container.decode(stream)]  # type: ignore[operator]


def pictures(path: Path) -> list[NDArray[Any]]:
    """Return the frames of a video, BGR uint8 (H, W, 3)."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def _silence() -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), "fltp", "mono")
    frame.rate = 48_000
    return frame
