"""The zip that ``torch.save`` writes: a pickle, and one member for each storage of tensors."""

import math
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelError
from stages.detector.yolo_nas.pickles import unpickle
from stages.detector.yolo_nas.records import ITEM_BYTES, Storage, TensorRef, Value, shown

_MOST_MEMBERS: Final = 100_000
_MOST_PICKLE_BYTES: Final = 2**23
"""The pickle of a whole S is 0.26 MB; a hostile one of this size takes ten seconds."""
_MOST_BYTES: Final = 2**30
"""Of all storages that are read: four times what L's take."""
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class Archive:
    """A checkpoint file, open for reading.

    Raises:
        ModelError: The file is no such zip, or is made to do harm.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise ModelError(f"can't be read as a checkpoint: {error}") from error
        try:
            self._root = _root(self._zip)
        except ModelError:
            self._zip.close()
            raise
        self._arrays: dict[Storage, NDArray[Any]] = {}
        self._bytes_left = _MOST_BYTES

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def value(self) -> Value:
        """Return what the checkpoint holds, tensors as references.

        Raises:
            ModelError: It is damaged or refused.
        """
        order = f"{self._root}/byteorder"
        if order in self._zip.namelist() and self._member(order, 16).strip() != b"little":
            raise ModelError("was written on a big-endian machine: its tensors can't be read")
        return unpickle(self._member(f"{self._root}/data.pkl", _MOST_PICKLE_BYTES))

    def array(self, tensor: TensorRef) -> NDArray[Any]:
        """Return a tensor, read-only; bfloat16 as float32.

        Raises:
            ModelError: It reaches out of its storage, or overlaps itself.
        """
        _check(tensor)
        flat = self._storage(tensor.storage)
        strides = tuple(stride * flat.itemsize for stride in tensor.strides)
        view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides, writeable=False)
        return (view.astype(np.uint32) << 16).view(np.float32) if tensor.storage.dtype == "bfloat16" else view

    def _storage(self, storage: Storage) -> NDArray[Any]:
        if storage not in self._arrays:
            size = storage.size * ITEM_BYTES[storage.dtype]
            data = self._member(f"{self._root}/data/{storage.key}", self._bytes_left)
            if len(data) != size:
                raise ModelError(f"storage {storage.key} has {len(data)} bytes, where its tensors need {size}")
            self._bytes_left -= size
            dtype = np.dtype("uint16" if storage.dtype == "bfloat16" else storage.dtype)
            self._arrays[storage] = np.frombuffer(data, dtype)
        return self._arrays[storage]

    def _member(self, name: str, most_bytes: int) -> bytes:
        """Return the content of a member; of one that lies about its size no more than it declares is unpacked."""
        try:
            member = self._zip.getinfo(name)
            if member.file_size > most_bytes:
                raise ModelError(f"{shown(name)} would unpack to {member.file_size} bytes: refused")
            with self._zip.open(member) as file:
                return file.read()
        except KeyError as error:
            raise ModelError(f"{shown(name)} is missing in it") from error
        except _DAMAGE as error:
            raise ModelError(f"{shown(name)} in it is damaged: {error}") from error


def _root(archive: zipfile.ZipFile) -> str:
    """Return the one folder that all members are in."""
    names = archive.namelist()
    if len(names) > _MOST_MEMBERS:
        raise ModelError(f"has {len(names)} members: refused")
    if len(set(names)) < len(names):
        raise ModelError("has two members of one name: refused")
    for name in names:
        if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
            raise ModelError(f"has a member {name!r:.100} that points out of it: refused")
    pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ModelError("is a zip, but no checkpoint: it needs one FOLDER/data.pkl")
    return pickles[0].partition("/")[0]


def _check(tensor: TensorRef) -> None:
    """Refuse a tensor that is larger than its storage or in which two elements share memory."""
    axes = sorted((stride, size) for stride, size in zip(tensor.strides, tensor.shape, strict=True) if size > 1)
    reach = 1
    for stride, size in axes:
        if stride < reach:
            raise ModelError(f"a tensor of shape {tensor.shape} overlaps itself: refused")
        reach += stride * (size - 1)
    if not math.prod(tensor.shape):
        raise ModelError(f"a tensor of shape {tensor.shape} is empty")
    if tensor.offset + reach > tensor.storage.size:
        raise ModelError(f"a tensor of shape {tensor.shape} reaches out of its storage: refused")
