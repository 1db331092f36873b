"""Colours of tracks and classes, and colours as video has them."""

from functools import lru_cache
from typing import Final, TypeAlias

from pipeline.frame import Matrix

Bgr: TypeAlias = tuple[int, int, int]

_PALETTE: Final = """
    a351fb ff4040 ffa1a0 ff7633 ffb633 d1d435 4cfb12 94cf1a 40de8a 1b9640 00d6c1
    2e9caa 00c4ff 364797 6675ff 0019ef 863aff 530087 cd3aff ff97ca ff39c9
"""
"""RGB, as `supervision.ColorPalette.DEFAULT` has them."""
_LUMA: Final = {Matrix.BT709: (0.2126, 0.0722), Matrix.BT601: (0.299, 0.114)}
"""Shares of red and blue in Y, ITU-R BT.709-6 and BT.601-7."""

PALETTE: Final[tuple[Bgr, ...]] = tuple((rgb[2], rgb[1], rgb[0]) for rgb in map(bytes.fromhex, _PALETTE.split()))
BLACK: Final[Bgr] = (0, 0, 0)


def colour_of(number: int) -> Bgr:
    """Return the colour of a track, a class or a zone by its number; they begin again after the last one."""
    return PALETTE[number % len(PALETTE)]


@lru_cache(maxsize=256)
def as_yuv(colour: Bgr, matrix: Matrix) -> tuple[int, int, int]:
    """Return Y, U and V, 8 bits, limited range: Y in [16, 235], U and V in [16, 240], as H.273 defines them."""
    blue, green, red = (part / 255 for part in colour)
    of_red, of_blue = _LUMA[matrix]
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    u, v = (blue - luma) / (2 * (1 - of_blue)), (red - luma) / (2 * (1 - of_red))
    return round(16 + 219 * luma), round(128 + 224 * u), round(128 + 224 * v)
