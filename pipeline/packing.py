"""Values inside messages: arrays as bytes, and checks of what came off the wire."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MessageError

T = TypeVar("T")


def pack_array(array: NDArray[Any]) -> list[Any]:
    """Return an array as dtype, shape and raw little-endian bytes."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return [little.dtype.str, list(little.shape), little.tobytes()]


def unpack_array(packed: Any, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a packed array, as a copy that owns its memory, so that the message may go.

    Raises:
        MessageError: it is of another dtype or shape, or holds something that is no number.
    """
    found_dtype, found_shape, data = packed
    if found_dtype != dtype or tuple(found_shape) != shape:
        raise MessageError(f"array of {found_dtype!r:.20} {found_shape!r:.80}; expected {dtype} {list(shape)}")
    array = np.frombuffer(data, dtype).reshape(shape).astype(np.dtype(dtype).newbyteorder("="))
    return finite(array)


def finite(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array that must hold numbers only: a NaN would poison every track that it meets.

    Raises:
        MessageError: it holds NaN or infinity.
    """
    if not np.isfinite(array).all():
        raise MessageError("an array holds NaN or infinity")
    return array


def as_numbers(values: Any, count: int) -> list[float]:
    """Return a list that must be of so many finite numbers.

    Raises:
        MessageError: it is none.
    """
    if not isinstance(values, list) or len(values) != count:
        raise MessageError(f"{values!r:.80} is no list of {count} numbers")
    return [as_number(value) for value in values]


def as_number(value: Any) -> float:
    """Return a value that must be a finite number.

    Raises:
        MessageError: it is none.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise MessageError(f"{value!r:.80} is no number")
    return float(value)


def as_text(value: Any) -> str:
    """Return a value that must be text.

    Raises:
        MessageError: it is none.
    """
    if not isinstance(value, str):
        raise MessageError(f"{value!r:.80} is no text")
    return value


def as_count(value: Any) -> int:
    """Return a value that must be an integer from 0.

    Raises:
        MessageError: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise MessageError(f"{value!r:.80} is no count")
    return value


def as_integer(value: Any) -> int:
    """Return a value that must be an integer.

    Raises:
        MessageError: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise MessageError(f"{value!r:.80} is no integer")
    return value


def as_box(value: Any) -> tuple[int, int, int, int]:
    """Return a value that must be a list of four integers from 0: left, top, right, bottom.

    Raises:
        MessageError: it is none.
    """
    if not isinstance(value, list) or len(value) != 4:
        raise MessageError(f"{value!r:.80} is no box")
    left, top, right, bottom = (as_count(side) for side in value)
    return left, top, right, bottom


def optional(read: Callable[[Any], T], value: Any) -> T | None:
    """Return None as it is, and all else as `read` returns it."""
    return None if value is None else read(value)
