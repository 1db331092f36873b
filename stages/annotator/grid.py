"""A grid on a picture, to read coordinates from."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_PARTS: Final = 10
_SMALLEST: Final = 1280
"""Pixels across: on a smaller picture nobody could read the numbers."""
_WHITE: Final = (255, 255, 255)
_BLACK: Final = (0, 0, 0)


def draw_grid(image: NDArray[np.uint8]) -> None:
    """Draw a line at each tenth of `image`, BGR uint8 (H, W, 3), in place, with its place in parts and in pixels."""
    height, width = image.shape[:2]
    lines = image.copy()
    for part in range(1, _PARTS):
        x, y = round(width * part / _PARTS), round(height * part / _PARTS)
        cv2.line(lines, (x, 0), (x, height), _WHITE, 1)
        cv2.line(lines, (0, y), (width, y), _WHITE, 1)
    cv2.addWeighted(lines, 0.6, image, 0.4, 0, dst=image)
    for part in range(1, _PARTS):
        x, y = round(width * part / _PARTS), round(height * part / _PARTS)
        _write(image, f"{part / _PARTS:g}", (x + 2, 12))
        _write(image, f"{x}", (x + 2, 24))
        _write(image, f"{part / _PARTS:g}  {y}", (3, y - 3))


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a picture as PNG.

    Raises:
        OSError: it can't be written.
    """
    _, data = cv2.imencode(".png", image)
    path.write_bytes(data.tobytes())


def _write(image: NDArray[np.uint8], text: str, at: tuple[int, int]) -> None:
    for colour, thickness in ((_BLACK, 3), (_WHITE, 1)):
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.36, colour, thickness, cv2.LINE_AA)
