"""Exported models: what they say of themselves, read without the packages that run them."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from pipeline.errors import ModelError

IR_SECTION: Final = "detstream"
"""Name of our part of an IR's ``rt_info``."""

_METADATA: Final = 14
"""Number of ``ModelProto.metadata_props`` in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""
_MOST: Final = 1 << 20
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # https://protobuf.dev/programming-guides/encoding/


def is_onnx(path: Path) -> bool:
    """Return whether a path is that of an ONNX file, by its name."""
    return path.suffix == ".onnx"


def is_ir(path: Path) -> bool:
    """Return whether a path is that of an OpenVINO IR, by its name."""
    return path.suffix == ".xml"


def is_exported(path: Path) -> bool:
    """Return whether a path is that of an exported model, by its name."""
    return is_onnx(path) or is_ir(path)


def read_exported(path: Path) -> dict[str, str]:
    """Return the strings that ``export`` wrote into a file; none if another program made it.

    Raises:
        ModelError: The file is missing or damaged.
    """
    try:
        return _read_onnx(path) if is_onnx(path) else _read_ir(path)
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, ElementTree.ParseError) as error:
        raise ModelError(f"{path} is damaged: {error}") from error


def largest_batch(path: Path, most: int, *, resized: bool) -> int:
    """Return how many images an exported model takes at once, ``most`` at most.

    Raises:
        ModelError: The file is damaged, or isn't for us: it finds detections itself, takes batches of one size other
            than 1, or, where the images are ``resized``, images of its own size only.
    """
    form = read_exported(path)
    if form.get("nms") != "false":
        raise ModelError(f"{path} suppresses boxes itself: export it without --nms")
    if resized and form.get("any_size") != "true":
        raise ModelError(f"{path} is exported for another size of images: export it with --dynamic, or that --imgsz")
    if form.get("batch") not in ("any", "1"):
        raise ModelError(f"{path} takes batches of exactly {form.get('batch')} images: export it with --dynamic")
    return most if form["batch"] == "any" else 1


def _read_ir(path: Path) -> dict[str, str]:
    for _, element in ElementTree.iterparse(path):
        if element.tag == IR_SECTION:
            return {child.tag: child.get("value", "") for child in element}
    return {}


def _read_onnx(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        size = path.stat().st_size
        pairs = [dict(_strings(value)) for number, value in _fields(file, size) if number == _METADATA]
    return {pair.get(1, ""): pair.get(2, "") for pair in pairs}


def _strings(message: bytes) -> Iterator[tuple[int, str]]:
    import io

    for number, value in _fields(io.BytesIO(message), len(message)):
        yield number, value.decode()


def _fields(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of the short strings in a protobuf message; skip the rest unread."""
    while file.tell() < size:
        tag = _varint(file)
        number, kind = tag >> 3, tag & 7
        if kind == _BYTES:
            length = _varint(file)
            if file.tell() + length > size:
                raise ValueError("it ends in the middle")
            if number in (1, 2, _METADATA) and length <= _MOST:
                yield number, file.read(length)
            else:
                file.seek(length, 1)
        elif kind == _VARINT:
            _varint(file)
        elif kind in (_FIXED64, _FIXED32):
            file.seek(8 if kind == _FIXED64 else 4, 1)
        else:
            raise ValueError("it is no protobuf message")


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("it ends in the middle")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("it is no protobuf message")
