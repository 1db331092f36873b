"""What a pickle may call: next to nothing, and none of it is run. Tensors become references, classes become records."""

import sys
from collections.abc import Callable
from typing import Final

from pipeline.errors import ModelError
from stages.detector.yolo_nas.records import Global, Record, Storage, TensorRef, Value, shown

_RENAMED: Final = {"__builtin__": "builtins", "copy_reg": "copyreg", "commands": "subprocess"}
"""Modules under the names that pickles up to protocol 2 use."""

_STANDARD: Final = frozenset(sys.stdlib_module_names) | {"nt", "exceptions", "__main__"}

_RECORDS: Final = frozenset(
    """
    argparse.Namespace builtins.bytearray builtins.bytes builtins.complex builtins.object builtins.range builtins.slice
    _codecs.encode collections.Counter collections.deque copyreg.__newobj__ copyreg._reconstructor datetime.date
    datetime.datetime datetime.timedelta datetime.timezone decimal.Decimal fractions.Fraction functools.partial
    pathlib.Path pathlib.PosixPath pathlib.PurePath pathlib.PurePosixPath pathlib.PureWindowsPath pathlib.WindowsPath
    pathlib._local.PosixPath pathlib._local.WindowsPath types.SimpleNamespace uuid.UUID
    numpy.dtype numpy.ndarray numpy.core.multiarray._reconstruct numpy.core.multiarray.scalar
    numpy.core.numeric._frombuffer numpy._core.multiarray._reconstruct numpy._core.multiarray.scalar
    numpy._core.numeric._frombuffer torch.device torch._utils._rebuild_device_tensor
    torch._utils._rebuild_sparse_tensor torch._utils._rebuild_qtensor torch._utils._rebuild_meta_tensor_no_storage
    torch.serialization._get_layout
    """.split()
)
"""What harmless files call besides classes of other people: it becomes a record."""

_DTYPES: Final = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}


def named(module: Value, name: Value) -> Global:
    """Return the name of a class or function.

    Raises:
        ModelError: It is no text.
    """
    if not (isinstance(module, str) and isinstance(name, str)):
        raise ModelError("its pickle is damaged: a name that is no text")
    module = _RENAMED.get(module, module)
    return Global(f"{module}.{name}", module)


def called(function: Value, arguments: Value) -> Value:
    """Return what stands for the result of a call that is not made.

    Raises:
        ModelError: A harmless file would not call this.
    """
    if not isinstance(function, Global):
        raise ModelError(f"it wants to call a {type(function).__name__}, which no checkpoint needs: refused")
    if not isinstance(arguments, tuple):
        raise ModelError("its pickle is damaged: a call without arguments")
    if rebuild := _REBUILT.get(function.path):
        return rebuild(arguments)
    if not (function.path in _RECORDS or _is_foreign_class(function)):
        raise ModelError(f"it wants to call {shown(function.path)}, which no checkpoint needs: refused")
    return Record(function.path)


def stored(identity: Value) -> Storage:
    """Return the storage that a tensor refers to.

    Raises:
        ModelError: It is none, or of a kind that we don't know.
    """
    if not (isinstance(identity, tuple) and len(identity) == 5 and identity[0] == "storage"):
        raise ModelError("its pickle refers to something that is no tensor's storage")
    _, kind, key, _, size = identity
    path = kind.path if isinstance(kind, Global) else ""
    if path not in _DTYPES:
        raise ModelError(f"a tensor's storage is of an unknown kind {shown(path)}")
    if not (isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 10):
        raise ModelError(
            f"a tensor's storage has an impossible name {shown(key) if isinstance(key, str) else type(key).__name__}"
        )
    if not _is_size(size):
        raise ModelError("a tensor's storage has an impossible size")
    return Storage(_DTYPES[path], key, size)


def _is_foreign_class(function: Global) -> bool:
    """Return whether this looks like a class of a third party (PEP 8: its name is capitalised), not a function.

    A dotted name reaches from one module into others (``numpy`` + ``os.system``), unless all of it are classes.
    """
    if function.module.partition(".")[0] in _STANDARD:
        return False
    return all(part.lstrip("_")[:1].isupper() for part in function.name.split("."))


def _tensor(arguments: tuple[Value, ...]) -> TensorRef:
    storage, offset, shape, strides = arguments[:4] if len(arguments) >= 4 else (None,) * 4
    if not (isinstance(storage, Storage) and _is_size(offset) and _are_sizes(shape) and _are_sizes(strides)):
        raise ModelError("its pickle is damaged: a tensor of impossible shape")
    if len(shape) != len(strides):
        raise ModelError("its pickle is damaged: a tensor with more axes than strides")
    return TensorRef(storage, offset, shape, strides)


def _first(arguments: tuple[Value, ...]) -> Value:
    if not arguments:
        raise ModelError("its pickle is damaged: a call without arguments")
    return arguments[0]


def _items(arguments: tuple[Value, ...]) -> Value:
    return arguments[0] if arguments else []


def _dictionary(arguments: tuple[Value, ...]) -> dict[Value, Value]:
    """Return an empty dict: since protocol 2 its items follow the call (a ``defaultdict`` gives its factory)."""
    return {}


def _is_size(value: Value) -> bool:
    return type(value) is int and 0 <= value < 2**40


def _are_sizes(values: Value) -> bool:
    return isinstance(values, tuple) and len(values) <= 8 and all(map(_is_size, values))


_REBUILT: Final[dict[str, Callable[[tuple[Value, ...]], Value]]] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch.Size": _items,
    "collections.OrderedDict": _dictionary,
    "collections.defaultdict": _dictionary,
    "builtins.dict": _dictionary,
    "builtins.set": _items,
    "builtins.frozenset": _items,
    "builtins.list": _items,
    "builtins.tuple": _items,
}
