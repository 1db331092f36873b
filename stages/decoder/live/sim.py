"""A camera that is not there: a drawn street in real time, whose truth is known and whose frames carry their number."""

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cached_property, partial
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline import strip
from pipeline.errors import ConfigError
from pipeline.frame import Planar
from stages.decoder.live.captured import Captured, Counts
from stages.decoder.live.clock import CaptureClock
from stages.decoder.picture import Scaler, Shot
from stages.decoder.scene.street import Street, Truth
from stages.decoder.source import Scale

_EXAMPLE: Final = "sim://street?fps=25&objects=8&seed=3&size=1280x720"
_LEAST_SIDE, _MOST_SIDE = 96, 4096
_ENCODING: Final = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "threads": "1"}
_CLOCK: Final = 90_000
"""Ticks a second of its video, as of any camera."""


def _size(wanted: Any) -> tuple[int, int]:
    words = wanted.lower().split("x") if isinstance(wanted, str) else list(wanted)
    if len(words) != 2 or not all(str(word).isdecimal() and len(str(word)) < len("99999") for word in words):
        raise ValueError("write WIDTHxHEIGHT, as in 1280x720")
    width, height = (int(word) for word in words)
    if any(side % 2 or not _LEAST_SIDE <= side <= _MOST_SIDE for side in (width, height)):
        raise ValueError(f"sides are even and from {_LEAST_SIDE} to {_MOST_SIDE}")
    return width, height


class SimSettings(BaseModel):
    """Settings of a simulated camera."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fps: float = Field(default=25, gt=0, le=1000, allow_inf_nan=False)
    objects: int = Field(default=8, ge=0, le=500)
    """Most vehicles and people at once."""
    seed: int = Field(default=0, ge=0, lt=1 << 16)
    """Of the scene; and the tag beside the frame's number in its pictures: it tells one camera from another."""
    size: Annotated[tuple[int, int], BeforeValidator(_size)] = (1280, 720)
    """Width and height."""
    codec: Literal["raw", "h264"] = "raw"
    """Whether pictures are encoded and decoded again, as a real camera's are."""
    frames: int | None = Field(default=None, ge=1)
    """It ends before the frame of this number; never if not given."""

    @classmethod
    def parse(cls, url: str) -> "SimSettings":
        """Return the settings in `sim://street?fps=25&objects=8&seed=3&size=1280x720&codec=h264&frames=100`.

        Raises:
            ConfigError: there is no such scene or setting, or a value is wrong.
        """
        parts = urlsplit(url)
        if (parts.netloc, parts.path.strip("/"), parts.fragment) != ("street", "", ""):
            raise ConfigError(f"{url!r:.200}: the only simulated camera is sim://street, as in {_EXAMPLE}")
        given = parse_qsl(parts.query, keep_blank_values=True)
        names = [name for name, _ in given]
        known = list(cls.model_fields)
        for name in names:
            if name not in known:
                raise ConfigError(f"sim://street has no setting {name!r:.100}; it has: {', '.join(known)}")
            if names.count(name) > 1:
                raise ConfigError(f"sim://street: {name} is given twice")
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            first = error.errors()[0]
            reason = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
            raise ConfigError(f"sim://street: {first['loc'][0]}={first['input']!s:.100}: {reason}") from error


class SimulatedCamera:
    """Takes a picture each 1/fps seconds, whether or not somebody is there to see it."""

    def __init__(self, settings: SimSettings, clock: CaptureClock, start: int = 0) -> None:
        """`start` is the number of its first frame, which it stamps into the picture."""
        self.codec: str = "rawvideo" if settings.codec == "raw" else settings.codec
        self.fps, self.counts = settings.fps, Counts()
        self._settings, self._clock, self._start = settings, clock, start
        self._street = Street(*settings.size, settings.objects, settings.seed)
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Captured]:
        """Yield frames in real time, until closed or through; the first one at once.

        Who takes longer over one than it lasts misses those in between, and is told how many.
        """
        scaler, expected = Scaler(), self._start
        coded = _Coded(self._settings) if self._settings.codec == "h264" else None
        for seq in self._due(self._start):
            for number, scaled in self._pictures(seq, coded, scaler):
                yield self._captured(number, max(number - expected, 0), scaled)
                expected = number + 1

    def truth(self, seq: int) -> Truth:
        """Return what is in a frame of this camera, by its number."""
        return self._street.truth(seq)

    def close(self) -> None:
        """End the running iteration, also one that waits."""
        self._closed.set()

    def _due(self, start: int) -> Iterator[int]:
        """Yield the number of each frame when its time has come; the newest one, if others are over."""
        fps, end, seq, begun_s = self._settings.fps, self._settings.frames, start, time.monotonic()
        while end is None or seq < end:
            if self._closed.wait(max(0.0, begun_s + (seq - start) / fps - time.monotonic())):
                return
            yield seq
            seq = max(seq + 1, start + int((time.monotonic() - begun_s) * fps))

    def _pictures(self, seq: int, coded: "_Coded | None", scaler: Scaler) -> Iterator[tuple[int, Scale]]:
        if coded is None:
            yield seq, _Drawn(partial(self._picture, seq), scaler)
            return
        for frame in coded.through(self._picture(seq), seq):
            yield coded.seq_of(frame), Shot(scaler, frame)

    def _picture(self, seq: int) -> NDArray[np.uint8]:
        image, _ = self._street.draw(seq)
        strip.stamp(image, strip.tagged(self._settings.seed, seq))
        return image

    def _captured(self, seq: int, missed: int, scaled: Scale) -> Captured:
        self.counts.captured += 1
        now_ns, pts_s = time.time_ns(), seq / self._settings.fps
        stamp_s = self._clock.stamp(pts_s, None, now_ns / 1e9, time.monotonic())
        return Captured(*self._settings.size, pts_s, stamp_s, now_ns, scaled, missed=missed)


class _Drawn:
    """A frame that is drawn when its picture is first asked for."""

    def __init__(self, draw: Callable[[], NDArray[np.uint8]], scaler: Scaler) -> None:
        self._draw, self._scaler = draw, scaler

    def __call__(self, width: int, height: int) -> NDArray[np.uint8]:
        return self._shot(width, height)

    def planar(self, width: int, height: int) -> Planar:
        return self._shot.planar(width, height)

    @cached_property
    def _shot(self) -> Shot:
        return Shot(self._scaler, VideoFrame.from_ndarray(self._draw(), "bgr24"))


class _Coded:
    """An encoder and a decoder, back to back."""

    def __init__(self, settings: SimSettings) -> None:
        self._ticks = _CLOCK / settings.fps
        self._encoder = VideoCodecContext.create("libx264", "w")
        self._encoder.width, self._encoder.height = settings.size
        self._encoder.pix_fmt, self._encoder.time_base = "yuv420p", Fraction(1, _CLOCK)
        self._encoder.framerate = Fraction(settings.fps).limit_denominator(1001)
        self._encoder.gop_size, self._encoder.options = max(1, round(2 * settings.fps)), _ENCODING
        self._decoder = CodecContext.create("h264", "r")
        self._decoder.thread_count = 1
        self._decoder.flags |= Flags.low_delay.value

    def through(self, image: NDArray[np.uint8], seq: int) -> Iterator[VideoFrame]:
        """Yield what comes out at the other end when a picture goes in, each with its own number."""
        picture = VideoFrame.from_ndarray(image, "bgr24").reformat(format="yuv420p", threads=1)
        picture.pts, picture.time_base = round(seq * self._ticks), Fraction(1, _CLOCK)
        for packet in self._encoder.encode(picture):
            yield from self._decoder.decode(packet)

    def seq_of(self, frame: VideoFrame) -> int:
        """Return the number of a picture that has come out."""
        return round((frame.pts or 0) / self._ticks)
