"""The size of the network's input, as people write it."""

from typing import Any, Final

_CELL: Final = 32
_LARGEST: Final = 8192
_DIGITS: Final = 9


def read_size(wanted: Any) -> tuple[int, int]:
    """Return (height, width), pixels, from a side, from both, or from text: ``640``, ``(384, 640)``, ``"384x640"``.

    Raises:
        ValueError: It is neither, or no network has such an input.
    """
    sides = _sides(wanted)
    if len(sides) not in (1, 2) or any(side % _CELL or not _CELL <= side <= _LARGEST for side in sides):
        limits = f"in multiples of {_CELL}, {_LARGEST} at most"
        raise ValueError(f"{wanted!r:.100}: give a side, or (height, width), {limits}")
    return sides[0], sides[-1]


def _sides(wanted: Any) -> list[int]:
    if isinstance(wanted, str):
        words = [word.strip() for word in wanted.lower().replace(",", "x").split("x")]
        if len(words) > 2 or not all(word.isdecimal() and len(word) < _DIGITS for word in words):
            raise ValueError(f"{wanted!r:.100}: give a side as 640, or HEIGHTxWIDTH as 384x640")
        return [int(word) for word in words]
    sides = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    return sides if all(isinstance(side, int) for side in sides) else []
