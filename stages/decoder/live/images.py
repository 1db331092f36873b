"""A folder of pictures, shown one after the other as if by a camera."""

import glob
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from av.video.frame import VideoFrame

from pipeline.errors import ConfigError
from stages.decoder.address import Address
from stages.decoder.live.captured import Captured, Counts
from stages.decoder.live.clock import CaptureClock
from stages.decoder.live.failures import failure
from stages.decoder.picture import Scaler, Shot

_SUFFIXES: Final = frozenset(".bmp .jpeg .jpg .png .tif .tiff .webp".split())
_FPS: Final = 5.0


class Images:
    """Pictures at a rate, once or (`loop`) again and again."""

    def __init__(
        self,
        paths: Sequence[Path],
        fps: float,
        looped: bool,
        clock: CaptureClock,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.codec, self.fps, self.counts = "images", fps, Counts()
        self._paths, self._looped, self._clock = paths, looped, clock
        self._now, self._sleep = now, sleep
        self._scaler = Scaler()

    def __iter__(self) -> Iterator[Captured]:
        """Yield each picture, once or for ever; one that can't be read is counted and left out.

        Raises:
            CameraError: none can be read.
        """
        started_s, shown = self._now(), 0
        while True:
            before = self.counts.captured
            for path in self._paths:
                self._sleep(max(started_s + shown / self.fps - self._now(), 0.0))
                image = cv2.imread(str(path), cv2.IMREAD_COLOR)
                if image is None:
                    self.counts.errors += 1
                else:
                    yield self._captured(
                        VideoFrame.from_ndarray(np.asarray(image, np.uint8), "bgr24"), shown / self.fps
                    )
                shown += 1
            if self.counts.captured == before:
                raise failure("format")
            if not self._looped:
                return

    def _captured(self, frame: VideoFrame, pts_s: float) -> Captured:
        self.counts.captured += 1
        wall_ns = time.time_ns()
        stamp_s = self._clock.stamp(pts_s, None, wall_ns / 1e9, self._now())
        return Captured(frame.width, frame.height, pts_s, stamp_s, wall_ns, Shot(self._scaler, frame))


def glob_images(address: Address, clock: CaptureClock) -> Images:
    """Return the pictures of `images:FOLDER_OR_GLOB?fps=5&loop=1`.

    Raises:
        CameraError: there are none.
        ConfigError: `fps` is no number above 0.
    """
    folder = Path(address.path)
    found = folder.iterdir() if folder.is_dir() else map(Path, glob.glob(address.path))  # noqa: PTH207 (absolute ones too)
    paths = sorted(path for path in found if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise failure("not_found")
    return Images(paths, _fps(address), address.looped, clock)


def _fps(address: Address) -> float:
    text = address.options.get("fps", str(_FPS))
    try:
        fps = float(text)
    except ValueError:
        fps = 0.0
    if not 0 < fps <= 1000:
        raise ConfigError(f"{address}: fps={text!r} is no rate: give a number from above 0 to 1000")
    return fps
