"""A number in a picture, for machines: two rows of cells that survive coding, scaling and a letterbox.

    top row      white | 40 cells: bits 39..0 of the number               | black
    bottom row   black | 32 cells: CRC-32 of it, 8 cells: bits 47..40     | white

One row at either edge: a picture that is put together from two others has a wrong checksum. The outer cells find the
picture on the grey of a letterbox, and tell black from white.
"""

import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS: Final = 48
"""Of the number."""

_SEQ_BITS: Final = 32
_ROW_BITS: Final = 40
_CELLS: Final = _ROW_BITS + 2
_ROWS_IN_HEIGHT: Final = 20
_GREY: Final = 114
"""Of the letterbox around the network's input."""
_SAMPLES: Final = (0.35, 0.5, 0.65)
"""Where to look in a cell: its edges are blurred."""
_LEAST_WIDTH: Final = 2 * _CELLS
_LEAST_CONTRAST: Final = 48
_TOP_ENDS: Final = (1, 0)
_BOTTOM_ENDS: Final = (0, 1)


def tagged(tag: int, seq: int) -> int:
    """Return the number that names frame `seq` (32 bits, the upper ones are lost) of the camera `tag` (16 bits)."""
    return tag << _SEQ_BITS | seq % (1 << _SEQ_BITS)


def untagged(number: int) -> tuple[int, int]:
    """Return (tag, seq) of a number."""
    return number >> _SEQ_BITS, number % (1 << _SEQ_BITS)


def checksum(number: int) -> int:
    """Return the CRC-32 of a number."""
    return zlib.crc32(number.to_bytes(BITS // 8, "big"))


def stamp(image: NDArray[np.uint8], number: int) -> None:
    """Paint a number of 48 bits into a picture, (H, W, 3) uint8, over a twentieth of its height at top and bottom.

    It can be read where the picture is at least 84 pixels wide.
    """
    if not 0 <= number < 1 << BITS:
        raise ValueError(f"{number} is no number of {BITS} bits")
    height, width = image.shape[:2]
    row = _row_height(height)
    cell = np.arange(width) * _CELLS // width
    top, bottom = number % (1 << _ROW_BITS), checksum(number) << (BITS - _ROW_BITS) | number >> _ROW_BITS
    image[:row] = _cells(top, _TOP_ENDS)[cell, None]
    image[-row:] = _cells(bottom, _BOTTOM_ENDS)[cell, None]


def read(image: NDArray[np.uint8]) -> int | None:
    """Return the number in a picture, (H, W, 3) uint8, perhaps on a letterbox; None: no number, or a damaged one."""
    picture = _picture(image)
    if picture is None:
        return None
    row = _row_height(len(picture))
    top, bottom = _bits(picture[:row], _TOP_ENDS), _bits(picture[-row:], _BOTTOM_ENDS)
    if top is None or bottom is None:
        return None
    number = bottom % (1 << (BITS - _ROW_BITS)) << _ROW_BITS | top
    return number if bottom >> (BITS - _ROW_BITS) == checksum(number) else None


def picture_on(canvas: NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """Return (left, top, right, bottom) of what is not a letterbox's grey, None if all of it is."""
    height, width = canvas.shape[:2]
    painted = canvas.reshape(height, width * 3) != _GREY
    rows = np.flatnonzero(painted.any(axis=1))
    columns = np.flatnonzero(painted.any(axis=0)) // 3
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if len(rows) else None


def _picture(image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    box = picture_on(image)
    if box is None or box[2] - box[0] < _LEAST_WIDTH:
        return None
    return image[box[1] : box[3], box[0] : box[2]]


def _row_height(height: int) -> int:
    return max(1, round(height / _ROWS_IN_HEIGHT))


def _cells(bits: int, ends: tuple[int, int]) -> NDArray[np.uint8]:
    """Return how bright the cells of a row are, from the left."""
    inner = [bits >> place & 1 for place in reversed(range(_ROW_BITS))]
    return np.array([ends[0], *inner, ends[1]], np.uint8) * np.uint8(255)


def _bits(row: NDArray[np.uint8], ends: tuple[int, int]) -> int | None:
    """Return the bits in a row of cells (h, W, 3), None if its ends are not as they should be."""
    height, width = row.shape[:2]
    line = row[int(height * 0.3) : max(int(height * 0.7), int(height * 0.3) + 1)].mean(axis=(0, 2))
    places = (np.arange(_CELLS)[:, None] + np.array(_SAMPLES)) * (width / _CELLS)
    cells = line[places.astype(np.intp)].mean(axis=1)
    white, black = (cells[0], cells[-1]) if ends[0] else (cells[-1], cells[0])
    if white - black < _LEAST_CONTRAST:
        return None
    bright = cells[1:-1] > (white + black) / 2
    return int.from_bytes(np.packbits(bright).tobytes(), "big")
