"""What stands still: sky, houses, pavements, road; and the camera's noise."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

NOISE_MEAN: Final = 128
"""Of the noise, which has no sign."""
NOISE_SPARE: Final = 64
"""Pixels by which the noise is larger than the picture, each way: it is cut from another place for each frame."""

_NOISE_SIGMA: Final = 2.5
_PAVED: Final = ((0.5, 0.57, (150, 155, 158)), (0.57, 0.82, (88, 84, 82)), (0.82, 1.0, (142, 147, 150)))
"""From, to (of the height), colour: far pavement, road, near pavement."""
_MIDDLE_OF_ROAD: Final = 0.69
_WALLS: Final = ((120, 140, 165), (105, 120, 150), (150, 160, 170), (95, 115, 130), (135, 130, 140))
_WINDOW: Final = (88, 80, 72)
_GRAIN: Final = 5.0


def backdrop(width: int, height: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a street in which nobody is, BGR uint8 (height, width, 3)."""
    image = _sky(width, height)
    _houses(image, rng)
    for top, bottom, colour in _PAVED:
        cv2.rectangle(image, (0, int(top * height)), (width, int(bottom * height)), colour, cv2.FILLED)
    dash, y = max(4, width // 16), int(_MIDDLE_OF_ROAD * height)
    for x in range(0, width, 2 * dash):
        cv2.rectangle(image, (x, y), (x + dash, y + max(1, height // 120)), (205, 210, 210), cv2.FILLED)
    for top, _, _ in _PAVED[1:]:
        cv2.line(image, (0, int(top * height)), (width, int(top * height)), (185, 188, 190), max(1, height // 180))
    grain = rng.normal(0, _GRAIN, (height, width, 1))
    return (image + grain).clip(0, 255).astype(np.uint8)


def noise(width: int, height: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a camera's noise around `NOISE_MEAN`, uint8 (height + `NOISE_SPARE`, width + `NOISE_SPARE`, 3)."""
    shape = (height + NOISE_SPARE, width + NOISE_SPARE, 3)
    deviation = rng.standard_normal(shape, np.float32) * np.float32(_NOISE_SIGMA)
    return (deviation + NOISE_MEAN).round().astype(np.uint8)


def _sky(width: int, height: int) -> NDArray[np.uint8]:
    share = np.linspace(0, 1, height)[:, None, None]
    colours = (1 - share) * np.array([225, 190, 150]) + share * np.array([235, 230, 225])
    return np.ascontiguousarray(np.broadcast_to(colours, (height, width, 3)).astype(np.uint8))


def _houses(image: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    x = 0
    while x < width:
        broad = max(8, int(rng.uniform(0.2, 0.4) * height))
        top = int(rng.uniform(0.08, 0.24) * height)
        wall = _WALLS[int(rng.integers(len(_WALLS)))]
        cv2.rectangle(image, (x, top), (x + broad, int(0.5 * height)), wall, cv2.FILLED)
        _windows(image, x, top, broad)
        x += broad + int(rng.uniform(0, 0.05) * height)


def _windows(image: NDArray[np.uint8], left: int, top: int, broad: int) -> None:
    side = max(2, image.shape[0] // 30)
    for y in range(top + side, int(0.46 * image.shape[0]), 2 * side):
        for x in range(left + side, left + broad - side, 2 * side):
            cv2.rectangle(image, (x, y), (x + side - 1, y + side), _WINDOW, cv2.FILLED)
