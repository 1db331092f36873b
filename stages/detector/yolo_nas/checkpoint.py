"""Checkpoints that people have: what super-gradients' trainer saves, a whole pickled module, a plain state dict.

No code of a checkpoint is run and none of the packages that it names is needed, torch included.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from pipeline.errors import ModelError
from stages.detector.yolo_nas.archive import Archive
from stages.detector.yolo_nas.class_names import in_header, listed
from stages.detector.yolo_nas.layouts import LAYOUTS, LayoutName
from stages.detector.yolo_nas.records import Record, TensorRef, Value, shown

Shapes = Mapping[str, tuple[int, ...]]

_ZIP: Final = b"PK\x03\x04"
_LEGACY: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How a file of ``torch.save`` begins that is no zip (before torch 1.6): the pickle of a magic number."""

_WEIGHTS: Final = ("ema_net", "net", "ema_state_dict", "ema", "model", "state_dict", "model_state_dict")
"""Where the weights are in a trainer's dict, best first: the original prefers ``ema_net`` too."""
_NAMES: Final = ("class_names", "_class_names", "names")
_PREFIXES: Final = ("module.", "model.")
"""Which training on several GPUs and Lightning's modules leave before each name."""
_MOST_PREFIXES: Final = 2
_MOST_PARTS: Final = 100_000
_LONGEST_NAME: Final = 1000
_CELL: Final = 32


@dataclass(frozen=True, slots=True)
class Contents:
    """A checkpoint without its weights."""

    shapes: Shapes
    """Of each tensor by its name in the state dict."""
    names: tuple[str, ...] | None = None
    """Of the classes, if it tells."""
    conf: float | None = None
    """Score below which its trainer drops boxes, in (0, 1), if it tells."""
    iou: float | None = None
    """Overlap above which its trainer drops boxes, in (0, 1], if it tells."""
    input_size: tuple[int, int] | None = None
    """Height, width that its trainer pads pictures to, if it tells."""


def is_pickled(path: Path) -> bool:
    """Return whether a file is one of ``torch.save``.

    Raises:
        ModelError: It is, but of a kind that we don't read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_LEGACY))
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from error
    if start == _LEGACY:
        raise ModelError(f"{path} is in torch's format before 1.6: load it with torch and save it again")
    return start.startswith(_ZIP)


def read_contents(path: Path) -> Contents:
    """Return what a checkpoint of ``torch.save`` holds, without reading its weights.

    Raises:
        ModelError: It is damaged, is refused, or holds no weights.
    """
    try:
        with Archive(path) as archive:
            value = archive.value()
            shapes = {name: tensor.shape for name, tensor in _state(value).items()}
            return Contents(shapes, *_told(value))
    except ModelError as error:
        raise ModelError(f"{path} {error}") from error


def read_arrays(path: Path, wanted: frozenset[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return the tensors of a checkpoint of ``torch.save``, read-only, by name; all of them, or those wanted.

    Raises:
        ModelError: It is damaged, is refused, or holds no weights.
    """
    try:
        with Archive(path) as archive:
            tensors = _state(archive.value())
            return {name: archive.array(tensors[name]) for name in tensors if wanted is None or name in wanted}
    except ModelError as error:
        raise ModelError(f"{path} {error}") from error


def read_plain(path: Path) -> Contents:
    """Return what a safetensors file of a plain state dict holds, without reading its weights.

    Raises:
        ModelError: It is damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            header = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} can't be read as safetensors weights: {error}") from error
    names = next(filter(None, (in_header(header.get(key)) for key in _NAMES)), None)
    return Contents({name: shapes[full] for full, name in unprefixed(shapes).items()}, names)


def unprefixed(names: Mapping[str, object]) -> dict[str, str]:
    """Return each name without what all of them begin with, of ``module.`` and ``model.``."""
    short = {name: name for name in names}
    for _ in range(_MOST_PREFIXES):
        prefix = next((one for one in _PREFIXES if all(name.startswith(one) for name in short.values())), "")
        short = {full: name.removeprefix(prefix) for full, name in short.items()}
    return short


def recognised(shapes: Shapes) -> tuple[LayoutName, int]:
    """Return the layout and the number of classes of a state dict, by the shapes of its first head.

    Raises:
        ModelError: It is none of YOLO-NAS, or of a size that was not published.
    """
    classes = shapes.get("heads.head1.cls_pred.weight", ())
    stem = shapes.get("heads.head1.stem.seq.conv.weight", ())
    if len(classes) != 4 or len(stem) != 4 or not classes[0]:
        raise ModelError(f"is no YOLO-NAS detector: its {len(shapes)} tensors have no heads.head1 of the right shape")
    for name, layout in LAYOUTS.items():
        if stem[:2] == (layout.heads[0], layout.neck[1].out):
            return name, classes[0]
    raise ModelError(f"is a YOLO-NAS of none of the sizes {', '.join(LAYOUTS)}: its first head has shape {stem}")


def _state(value: Value) -> dict[str, TensorRef]:
    """Return the references of a state dict by name, of a module, of a trainer's dict or as it is."""
    if isinstance(value, dict):
        value = next((value[key] for key in _WEIGHTS if isinstance(value.get(key), dict | Record)), value)
    found = dict(_tensors(value)) if isinstance(value, Record) else value
    if not isinstance(found, dict) or not found:
        raise ModelError("holds no weights")
    for key, tensor in found.items():
        if not isinstance(key, str):
            raise ModelError(f"holds no weights: its state dict has a {type(key).__name__} as a name")
        if not isinstance(tensor, TensorRef):
            raise ModelError(f"holds no state dict of a detector: {shown(key)} is a {type(tensor).__name__}")
    return {name: found[full] for full, name in unprefixed(found).items()}


def _tensors(root: Record) -> Iterator[tuple[str, TensorRef]]:
    """Yield what the state dict of a pickled module would hold (``torch.nn.Module``, in its order)."""
    ahead, seen = [("", root)], 0
    while ahead:
        prefix, module = ahead.pop()
        own, buffers, parts = (_names(module, name) for name in ("_parameters", "_buffers", "_modules"))
        passing = module.state.get("_non_persistent_buffers_set")
        passing = passing if isinstance(passing, list) else []
        seen += 1 + len(own) + len(buffers) + len(parts) + len(passing) * len(buffers)
        if seen > _MOST_PARTS or len(prefix) > _LONGEST_NAME:
            raise ModelError("holds a module of endless parts: refused")
        kept = {name: tensor for name, tensor in buffers.items() if name not in passing}
        yield from ((prefix + name, tensor) for name, tensor in (own | kept).items() if tensor is not None)
        inner = [(f"{prefix}{name}.", part) for name, part in parts.items() if isinstance(part, Record)]
        ahead += reversed(inner)


def _names(module: Record, attribute: str) -> dict[str, Value]:
    value = module.state.get(attribute)
    return {name: part for name, part in value.items() if isinstance(name, str)} if isinstance(value, dict) else {}


def _told(value: Value) -> tuple[tuple[str, ...] | None, float | None, float | None, tuple[int, int] | None]:
    """Return class names, confidence, overlap and input size as a trainer's dict or a module tells them."""
    if isinstance(value, dict):
        value = next((value[key] for key in _WEIGHTS if isinstance(value.get(key), Record)), value)
    if isinstance(value, Record):
        told, conf, iou, steps = value.state, "_default_nms_conf", "_default_nms_iou", "_image_processor"
    else:
        params = value.get("processing_params")
        told, conf, iou, steps = (params if isinstance(params, dict) else value), "conf", "iou", "image_processor"
    names = next(filter(None, (listed(told.get(key)) for key in _NAMES)), None)
    size = _padded(told.get(steps)) or _trained(told.get("hyper_parameters"))
    return names, _share(told.get(conf)), _share(told.get(iou)), size


def _share(value: Value) -> float | None:
    return float(value) if isinstance(value, float) and 0 < value <= 1 else None


def _padded(steps: Value) -> tuple[int, int] | None:
    """Return the height and width that a processing of super-gradients pads to."""
    inner = steps.state.get("processings") if isinstance(steps, Record) else None
    for step in inner if isinstance(inner, list) else ():
        size = step.state.get("output_shape") if isinstance(step, Record) and step.kind.endswith("Padding") else None
        if isinstance(size, tuple | list) and len(size) == 2 and all(map(_is_side, size)):
            height, width = size
            return height, width
    return None


def _trained(settings: Value) -> tuple[int, int] | None:
    """Return the height and width that the settings of modern-yolonas, in Lightning's place for them, tell."""
    side = settings.get("input_size") if isinstance(settings, dict) else None
    return (side, side) if isinstance(side, int) and _is_side(side) else None


def _is_side(value: Value) -> bool:
    return type(value) is int and _CELL <= value <= 4096 and value % _CELL == 0
