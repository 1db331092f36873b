"""Weights that have a name: the original ones, and the folder in which such files are looked for."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from pipeline.errors import ModelError
from pipeline.settings import weights_folder
from stages.detector.yolo_nas.checkpoint import is_pickled, read_arrays, read_plain, recognised
from stages.detector.yolo_nas.layouts import LayoutName

SUFFIXES: Final = (".safetensors", ".pt", ".pth")
"""Of weights files, in the order in which they are looked for."""

LICENCE: Final = """\
The original YOLO-NAS weights belong to Deci.AI, Inc. (now NVIDIA) and are licensed by it, not by detstream:
not for commercial use, not in production, not to be passed on, not to be changed.
The full text: https://github.com/Deci-AI/super-gradients/blob/master/LICENSE.YOLONAS.md"""

_ULTRALYTICS: Final = "https://github.com/ultralytics/assets/releases/download/v8.3.0"
"""From the table in https://docs.ultralytics.com/models/yolo-nas/."""
_SUPER_GRADIENTS: Final = "https://sg-hub-nv.s3.amazonaws.com/models"
"""Where sghub.deci.ai moved to (https://github.com/Deci-AI/super-gradients/issues/2064); it refuses at times."""


@dataclass(frozen=True, slots=True)
class Original:
    """Published weights."""

    layout: LayoutName
    map_640: float
    """Published mAP 50-95 on COCO val2017 at 640 pixels, percent."""
    urls: tuple[str, ...]
    """Where to get them, best first."""
    size: int | None = None
    """Bytes, where known."""
    sha256: str | None = None
    """In hex, where known: nobody publishes it."""


def _original(layout: LayoutName, map_640: float) -> Original:
    urls = (f"{_ULTRALYTICS}/yolo_nas_{layout}.pt", f"{_SUPER_GRADIENTS}/yolo_nas_{layout}_coco.pth")
    return Original(layout, map_640, urls)


ORIGINALS: Final = {
    "yolo_nas_s": _original("s", 47.5),
    "yolo_nas_m": _original("m", 51.55),
    "yolo_nas_l": _original("l", 52.22),
}


def find(model: str) -> Path:
    """Return the file that a model's name or path means, which need not exist.

    A name without a path is looked for here, then in the weights folder, with any suffix of weights if it has none.
    """
    path = Path(model).expanduser()
    if path.name != model or path.is_file():
        return path
    folder = weights_folder()
    stem = path.stem if path.suffix in SUFFIXES else model
    ahead = [folder / model, *(folder / f"{stem}{suffix}" for suffix in SUFFIXES if stem in ORIGINALS or stem == model)]
    return next((file for file in ahead if file.is_file()), path)


def explain_missing(path: Path) -> str:
    """Return what to say of a weights file that is not there."""
    if path.name != str(path):
        return f"no weights file {path}"
    stem = path.stem if path.suffix in SUFFIXES else path.name
    looked = f"no weights file {path}, neither here nor in {weights_folder()}"
    if stem in ORIGINALS:
        return f"{looked}: get it by `detstream weights fetch {stem} --accept-licence` (not for commercial use)"
    return f"{looked}: give a path, demo, or one of {', '.join(ORIGINALS)}"


def suffix_of(url: str) -> str:
    """Return the suffix of the weights file at an address."""
    suffix = PurePosixPath(urlsplit(url).path).suffix
    return suffix if suffix in SUFFIXES else SUFFIXES[-1]


def verify(path: Path, layout: LayoutName) -> None:
    """Read all of a file, checksums included.

    Raises:
        ModelError: It is damaged or refused, or no YOLO-NAS of that layout.
    """
    arrays = read_arrays(path) if is_pickled(path) else None
    shapes = read_plain(path).shapes if arrays is None else {name: array.shape for name, array in arrays.items()}
    try:
        found, _ = recognised(shapes)
    except ModelError as error:
        raise ModelError(f"{path} {error}") from error
    if found != layout:
        raise ModelError(f"{path} has layout {found!r}, expected was {layout!r}")
