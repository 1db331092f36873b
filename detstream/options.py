"""The arguments of `NAS`, checked."""

from collections.abc import Sequence
from os import PathLike
from typing import Final, TypeAlias, TypedDict

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import ConfigError
from stages.detector.input_size import read_size
from stages.detector.settings import DetectorSettings, EngineSettings, precision

ImageSize: TypeAlias = int | tuple[int, int] | str
"""A side, or (height, width), in pixels, multiples of 32; or text: `"640"`, `"384x640"`."""

_OURS: Final = {"max_detections": "max_det", "class_agnostic": "agnostic"}


class Options(TypedDict, total=False):
    """How to predict; what is missing or None is the model's own default."""

    conf: float | None
    """Least confidence, 0 to 1."""
    iou: float | None
    """Overlap above which the lesser of two boxes is dropped, 0 to 1."""
    classes: int | str | Sequence[int | str] | None
    """Numbers or names of those to look for; all if missing."""
    max_det: int
    """Most objects in a picture; 300 if missing."""
    agnostic: bool | None
    """Whether boxes of different classes suppress each other."""
    imgsz: ImageSize | None
    """Size of the network's input; that of the `NAS` if missing."""
    save: bool
    """Whether to write annotated images and videos into `output`."""
    output: str | PathLike[str]
    """Folder; `out` if missing."""
    force: bool
    """Whether `save` overwrites what is there."""


def check(options: Options) -> None:
    """Raise ConfigError if an option is unknown, which names those that there are."""
    if unknown := options.keys() - Options.__annotations__.keys():
        names = ", ".join(["stream", *Options.__annotations__])
        raise ConfigError(f"predict: no such argument: {', '.join(sorted(unknown))}; there are: {names}")


def detector_settings(options: Options) -> DetectorSettings:
    """Return the thresholds as settings of the detector.

    Raises:
        ConfigError: one is out of its range.
    """
    classes = options.get("classes")
    wanted = {
        "conf": options.get("conf"),
        "iou": options.get("iou"),
        "classes": (classes,) if isinstance(classes, int | str) else None if classes is None else tuple(classes),
        "max_detections": options.get("max_det", 300),
        "class_agnostic": options.get("agnostic"),
    }
    try:
        return DetectorSettings.model_validate(wanted)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ConfigError(f"{_OURS.get(name, name)}: {first['input']!r:.100}: {first['msg']}") from error


def engine_settings(engine: str | EngineSettings, *, half: bool = False, int8: bool = False) -> EngineSettings:
    """Return the settings of an engine by name, or those given.

    Raises:
        ConfigError: there is no such engine, or it has no float16, or no 8-bit integers.
    """
    if not isinstance(engine, str):
        return engine
    try:
        wanted = {"kind": engine, **precision(engine, half=half, int8=int8)}
        settings: EngineSettings = TypeAdapter(EngineSettings).validate_python(wanted)
    except ValidationError as error:
        known = error.errors()[0].get("ctx", {}).get("expected_tags", "")
        raise ConfigError(f"engine: there is no {engine!r}; there are: {known}") from error
    return settings


def input_size(imgsz: ImageSize | None) -> tuple[int, int] | None:
    """Return (height, width), None for None.

    Raises:
        ConfigError: it is no size, or a side is no multiple of 32.
    """
    try:
        return None if imgsz is None else read_size(imgsz)
    except ValueError as error:
        raise ConfigError(f"imgsz: {error}") from error
