"""Pictures for calibrating a network in INT8: some of a video or folder, evenly spread."""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from detstream.pictures import pictures
from detstream.sources import listed
from pipeline.errors import ConfigError
from stages.detector.letterbox import Letterbox


def calibration_images(source: object, input_size: tuple[int, int], count: int) -> list[NDArray[np.uint8]]:
    """Return up to ``count`` canvases of ``input_size`` (height, width), BGR uint8 (H, W, 3), of a video or folder.

    Raises:
        ConfigError: there is no such source, or not one picture of it can be read.
        SourceError: it is a single file, and damaged.
    """
    letterbox = Letterbox(input_size)
    with closing(pictures(listed(source))) as found:
        images = (picture.image for picture in found)
        canvases = (letterbox.apply(image, image.shape[1], image.shape[0]) for image in images if image is not None)
        chosen = evenly(canvases, count)
    if not chosen:
        raise ConfigError(f"calibration: not one picture of {source} can be read")
    return chosen


def evenly(images: Iterable[NDArray[np.uint8]], count: int) -> list[NDArray[np.uint8]]:
    """Return up to ``count`` images, evenly spread over all, whose number needs not be known; holds twice as many."""
    kept: list[NDArray[np.uint8]] = []
    stride = 1
    for index, image in enumerate(images):
        if index % stride:
            continue
        kept.append(image)
        if len(kept) == 2 * count:
            kept, stride = kept[::2], 2 * stride
    return [kept[index * len(kept) // count] for index in range(count)] if len(kept) > count else kept


def digest(images: Sequence[NDArray[np.uint8]]) -> str:
    """Return the SHA-256 of images, in hex."""
    total = hashlib.sha256()
    for image in images:
        total.update(image.tobytes())
    return total.hexdigest()
