"""What a weights file says about itself, read without torch.

A model is named by a path of a file (one that ``weights.save`` wrote, or a checkpoint), by the name of a file in the
weights folder, by ``demo`` (the weights that come with detstream), or by ``random:<layout>`` (untrained, 80 classes,
640x640: for measuring speed only).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Self, cast, get_args

from safetensors import SafetensorError, safe_open

from pipeline.errors import ModelError
from stages.detector.yolo_nas.checkpoint import Contents, is_pickled, read_contents, read_plain, recognised
from stages.detector.yolo_nas.class_names import checked, named_by_default
from stages.detector.yolo_nas.exported import is_exported, read_exported
from stages.detector.yolo_nas.layouts import LayoutName
from stages.detector.yolo_nas.library import explain_missing, find

DEMO: Final = "demo"
RANDOM: Final = "random:"
_FORMAT: Final = "detstream yolo-nas 1"
_CELL: Final = 32
_IR: Final = "model.xml"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What one must know of a trained network besides its weights."""

    layout: LayoutName
    class_names: tuple[str, ...]
    """Name of each class id."""
    input_size: tuple[int, int]
    """Height, width of the network's input, pixels, multiples of 32."""
    conf: float = 0.25
    """Score below which a box is dropped, unless the user says otherwise."""
    iou: float = 0.7
    """Overlap above which the lesser of two boxes is dropped, unless the user says otherwise."""
    class_agnostic: bool = False
    """Whether boxes of different classes suppress each other, unless the user says otherwise."""
    named_by: Literal["file", "default", "user"] = "file"
    """Who named the classes; ``default``: nobody did, so they are COCO's if they are 80, else ``class_0`` and so on."""

    def __post_init__(self) -> None:
        if self.layout not in get_args(LayoutName):
            raise ModelError(f"layout {self.layout!r} is none of {', '.join(get_args(LayoutName))}")
        if not self.class_names:
            raise ModelError("a model needs at least one class name")
        if any(side < _CELL or side % _CELL for side in self.input_size):
            raise ModelError(f"input size {self.input_size} (height, width) is not of multiples of {_CELL}")
        if not (0 <= self.conf <= 1 and 0 <= self.iou <= 1):
            raise ModelError(f"conf {self.conf} and iou {self.iou} must lie in [0, 1]")

    def to_metadata(self) -> dict[str, str]:
        """Return the strings that describe this card in a safetensors header."""
        height, width = self.input_size
        return {
            "format": _FORMAT,
            "layout": self.layout,
            "class_names": json.dumps(self.class_names, ensure_ascii=False),
            "input_size": f"{height},{width}",
            "conf": repr(self.conf),
            "iou": repr(self.iou),
            "class_agnostic": json.dumps(self.class_agnostic),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """Return the card that ``to_metadata`` described.

        Raises:
            ModelError: An entry is missing or wrong.
        """
        if metadata.get("format") != _FORMAT:
            raise ModelError("not written by detstream (or by a version with another format)")
        try:
            height, width = (int(side) for side in metadata["input_size"].split(","))
            return cls(
                layout=cast(LayoutName, metadata["layout"]),
                class_names=tuple(str(name) for name in json.loads(metadata["class_names"])),
                input_size=(height, width),
                conf=float(metadata["conf"]),
                iou=float(metadata["iou"]),
                class_agnostic=bool(json.loads(metadata["class_agnostic"])),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"its header is damaged: {type(error).__name__}: {error}") from error


def locate(model: str) -> Path:
    """Return the weights file that a model name means (which need not exist); not for ``random:`` names.

    A folder that holds an OpenVINO export means the export.
    """
    if model == DEMO:
        return Path(__file__).parent / "weights" / "demo.safetensors"
    path = find(model)
    return path / _IR if (path / _IR).is_file() else path


def random_layout(model: str) -> LayoutName | None:
    """Return the layout of a ``random:`` name, None for the name of a file.

    Raises:
        ModelError: No such layout.
    """
    if not model.startswith(RANDOM):
        return None
    layout = model.removeprefix(RANDOM)
    if layout not in get_args(LayoutName):
        raise ModelError(f"no model {model!r}: {RANDOM} takes one of {', '.join(get_args(LayoutName))}")
    return cast(LayoutName, layout)


def read_metadata(path: Path) -> ModelCard:
    """Return the card of a weights file or an exported model: its own, or what its tensors and its trainer tell.

    Raises:
        ModelError: The file is missing, damaged, refused, or no YOLO-NAS.
    """
    if not path.exists():
        raise ModelError(explain_missing(path))
    if is_exported(path):
        return _own(path, read_exported(path))
    if path.is_dir():
        raise ModelError(f"{path} is a folder: name a file of weights in it")
    try:
        if is_pickled(path):
            return _told(path, read_contents(path))
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} can't be read as safetensors weights: {error}") from error
    if not metadata.get("format", "").startswith(_FORMAT.split()[0]):
        return _told(path, read_plain(path))
    return _own(path, metadata)


def with_names(card: ModelCard, names: tuple[str, ...]) -> ModelCard:
    """Return the card with the class names that a user gave.

    Raises:
        ModelError: They are more or fewer than the classes.
    """
    return replace(card, class_names=checked(names, len(card.class_names)), named_by="user")


def read_card(model: str) -> ModelCard:
    """Return the card of a model by name.

    Raises:
        ModelError: There is no such model, or its file is damaged.
    """
    layout = random_layout(model)
    if layout is None:
        return read_metadata(locate(model))
    return ModelCard(layout, tuple(f"class_{i}" for i in range(80)), (640, 640))


def _own(path: Path, metadata: Mapping[str, str]) -> ModelCard:
    try:
        return ModelCard.from_metadata(metadata)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _told(path: Path, contents: Contents) -> ModelCard:
    """Return the card of a file that has none of ours."""
    try:
        layout, count = recognised(contents.shapes)
    except ModelError as error:
        raise ModelError(f"{path} {error}") from error
    names = contents.names if contents.names and len(contents.names) == count else None
    return ModelCard(
        layout,
        names or named_by_default(count),
        contents.input_size or (640, 640),
        contents.conf or 0.25,
        contents.iou or 0.7,
        named_by="file" if names else "default",
    )


def fingerprint(model: str) -> str:
    """Return the SHA-256, in hex, of what a model's results depend on.

    Raises:
        ModelError: The file can't be read.
    """
    if random_layout(model) is not None:
        return hashlib.sha256(model.encode()).hexdigest()
    try:
        with locate(model).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{locate(model)} can't be read: {error.strerror}") from error
