"""The state of an object of a library, as bytes: exactly what it was, whatever numbers and arrays are in it."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def freeze(value: Any) -> bytes:
    """Return numbers, None, arrays, and lists and maps of these as bytes: a line of JSON, then the arrays' content.

    Raises:
        TypeError: something else is in there.
    """
    arrays: list[NDArray[Any]] = []
    head = json.dumps(_plain(value, arrays), separators=(",", ":"), allow_nan=True)
    return head.encode() + b"\n" + b"".join(array.tobytes() for array in arrays)


def thaw(data: bytes) -> Any:
    """Return what was frozen; lists stay lists, keys of maps are text or numbers as they were."""
    head, _, content = data.partition(b"\n")
    return _Reader(content).value(json.loads(head))


def _plain(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value))
        return {"array": value.dtype.str, "shape": value.shape}
    if isinstance(value, Mapping):
        return {"pairs": [[key, _plain(item, arrays)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_plain(item, arrays) for item in value]
    return value.item() if isinstance(value, np.generic) else value


class _Reader:
    """Takes arrays from their content, one after the other, as they were put there."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def value(self, plain: Any) -> Any:
        if isinstance(plain, list):
            return [self.value(item) for item in plain]
        if not isinstance(plain, dict):
            return plain
        if "pairs" in plain:
            return {key: self.value(item) for key, item in plain["pairs"]}
        return self._array(np.dtype(plain["array"]), tuple(plain["shape"]))

    def _array(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        count = int(np.prod(shape))
        found = np.frombuffer(self._content, dtype, count, self._at).reshape(shape)
        self._at += count * dtype.itemsize
        return found.copy()
