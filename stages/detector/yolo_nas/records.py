"""What a pickle is read into: nothing here can do anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Value = Any
"""None, a bool, a number, text, bytes, a list, tuple or dict of values, or one of the classes below."""


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function, which stays a name."""

    path: str
    """Dotted, with its module: ``torch.nn.modules.conv.Conv2d``."""
    module: str

    @property
    def name(self) -> str:
        """The part behind the module."""
        return self.path[len(self.module) + 1 :]


# No repr and no equality by value: a hostile one may be nested without end.
@dataclass(slots=True, eq=False, repr=False)
class Record:
    """An object of a class that was not built: its name, and what was stored of it."""

    kind: str
    state: Mapping[str, Value] = field(default_factory=dict)
    """Its attributes."""
    entries: dict[Any, Value] = field(default_factory=dict)
    """Its items, if its class is a kind of dict."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Memory of tensors, by its place in the file."""

    dtype: str
    """As in ``ITEM_BYTES``."""
    key: str
    size: int
    """Number of items."""


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A tensor that was not read yet; all numbers are those of the file and may be wrong."""

    storage: Storage
    offset: int
    """Of the first item in the storage."""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """Items from one element to the next along each axis."""


ITEM_BYTES: Final = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip


def shown(text: str) -> str:
    """Return text of a file so that it can stand in a line on a terminal."""
    return text[:100].encode("unicode_escape").decode()
