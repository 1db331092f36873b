"""From files and arrays to pictures, one after the other."""

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray

from detstream.sources import Item, Listing, is_image
from pipeline.errors import SourceError
from pipeline.messages import FrameMeta
from stages.decoder.recording import Recording
from stages.decoder.source import Decoded
from stages.decoder.sources.file import FileSource


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture to look at; or, with an error, the place of one that can't be had."""

    meta: FrameMeta
    """Its `source` is the path, or `image0.jpg` for the first picture in memory."""
    image: NDArray[np.uint8] | None
    """BGR, shape (H, W, 3); None with an error."""
    frames: int | None = 1
    """How many its source claims to have; 1 for an image."""
    is_video: bool = False
    error: str | None = None
    is_frame: bool = True
    """False where the error is the source's: that it can't be opened, or that its end is missing."""


def pictures(listing: Listing) -> Generator[Picture]:
    """Yield all pictures, each when asked for, and a place with an error for each that can't be had.

    Raises:
        SourceError: a single source can't be read, or not to its end; in a list, the others go on.
    """
    for number, item in enumerate(listing.items):
        seen = 0
        try:
            for picture in _of(item, number):
                seen += 1
                yield picture
        except SourceError as error:
            if listing.single:
                raise
            structlog.get_logger().warning("source failed", source=str(item), error=str(error))
            # Only files fail: what is in memory has been read.
            meta = FrameMeta(str(item), 0, seen, 0.0, 0, 0)
            video = isinstance(item, Path) and not is_image(item)
            yield Picture(meta, None, is_video=video, error=str(error), is_frame=False)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return the picture in a file, upright, BGR uint8 (H, W, 3).

    Raises:
        SourceError: it is missing, unreadable, damaged or no picture.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise SourceError(f"{path} can't be read ({error.strerror}): check the path") from error
    if not data.size:
        raise SourceError(f"{path} is empty (0 bytes): copy it again")
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:  # such as more pixels than it allows
        image = None
    if image is None or _is_cut(data):
        raise SourceError(f"{path} can't be decoded as a picture: it is damaged or none; copy it again")
    return np.asarray(image, np.uint8)


_JPEG: Final = b"\xff\xd8\xff"
_JPEG_END: Final = b"\xff\xd9"


def _is_cut(data: NDArray[np.uint8]) -> bool:
    """Return whether it is a JPEG without an end, the rest of which OpenCV 4 paints grey."""
    return data[:3].tobytes() == _JPEG and _JPEG_END not in data[-65536:].tobytes()


def _of(item: Item, number: int) -> Generator[Picture]:
    if not isinstance(item, Path):
        yield _still(f"image{number}.jpg", item)
    elif is_image(item):
        yield _still(str(item), read_image(item))
    else:
        recording = FileSource(path=item).build()
        with closing(_frames(recording, str(item))) as frames:
            yield from frames


def _still(name: str, image: NDArray[np.uint8]) -> Picture:
    height, width = image.shape[:2]
    return Picture(FrameMeta(name, 0, 0, 0.0, width, height, captured_ns=time.time_ns()), image)


def _frames(recording: Recording, name: str) -> Generator[Picture]:
    expected = recording.facts.frames
    for decoded in recording.frames():
        image = None if decoded.error else decoded.scaled(decoded.width, decoded.height)
        yield Picture(_meta(decoded, name), image, expected, is_video=True, error=decoded.error)


def _meta(decoded: Decoded, name: str) -> FrameMeta:
    size = (decoded.width, decoded.height)
    return FrameMeta(name, 0, decoded.seq, decoded.pts_s, *size, decoded.timestamp_s, decoded.captured_ns)
