"""Values inside messages: arrays as bytes, and checks of what came off the wire."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MessageError


def pack_array(array: NDArray[Any]) -> list[Any]:
    """Return an array as dtype, shape and raw little-endian bytes."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return [little.dtype.str, list(little.shape), little.tobytes()]


def unpack_array(packed: Any, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a packed array, as a copy that owns its memory, so that the message may go.

    Raises:
        MessageError: it is of another dtype or shape.
    """
    found_dtype, found_shape, data = packed
    if found_dtype != dtype or tuple(found_shape) != shape:
        raise MessageError(f"array of {found_dtype!r:.20} {found_shape!r:.80}; expected {dtype} {list(shape)}")
    return np.frombuffer(data, dtype).reshape(shape).astype(np.dtype(dtype).newbyteorder("="))


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
