"""A model for other programs, in 8-bit integers too."""

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TypedDict

from detstream.datasets import read_dataset
from detstream.options import ImageSize, input_size
from detstream.quantize import Int8, Progress, quantize
from pipeline.errors import ConfigError
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.export import Export, Format, destination, export
from stages.detector.int8.store import PARTS, Report, Runtime, read
from stages.detector.yolo_nas.card import ModelCard


class ExportOptions(TypedDict, total=False):
    """How to export; what is missing is false, or the model's own."""

    output: str | PathLike[str] | None
    """File, or for OpenVINO folder; here and named after the model if missing."""
    half: bool
    """float16."""
    int8: bool
    """8-bit integers, by `calibration`, checked on `data`."""
    nms: bool
    """Suppression in the graph; ONNX."""
    dynamic: bool
    """Any batch and size of images."""
    batch: int
    """Images at once; 1 if missing."""
    imgsz: ImageSize | None
    """Size of the network's input."""
    conf: float | None
    """Least confidence, with `nms`."""
    iou: float | None
    """Overlap for suppression, with `nms`."""
    calibration: object
    """For `int8`: a video, folder or list of pictures like those that will come."""
    data: str | PathLike[str] | None
    """For `int8`: a labelled data set, as for `NAS.val`, to check the accuracy on."""
    max_drop: float
    """For `int8`: points of AP, and of AP50, that it may lose: blocks stay in float until it holds; 0.5 if missing."""
    calibration_images: int
    """For `int8`: how many pictures to calibrate with, at most; 128 if missing."""
    force: bool
    """Whether to write over what is there."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    path: Path
    int8: Report | None = None
    """What became of the network in 8-bit integers."""


def exported(model: str, card: ModelCard, format: Format, options: ExportOptions, progress: Progress) -> Exported:
    """Write a model by name; `card` gives class names and input size where the options don't.

    Raises:
        ConfigError: an option is wrong or unknown.
        EngineError: a package is missing, or refuses the model.
        ModelError: the weights can't be read.
        SinkError: the output exists and `force` is not set, or it can't be written.
        SourceError: a picture for `int8` can't be read.
    """
    wanted = _wanted(card, format, options)
    output, force = options.get("output"), options.get("force", False)
    target = destination(model, wanted, None if output is None else Path(output), force=force)
    if not wanted.int8:
        progress(f"exporting to {format}", 0, 0)
        return Exported(export(model, wanted, target, force=force))
    runtime: Runtime = "openvino" if format == "openvino" else "onnx"
    cache = OpenVinoEngine().cache_dir
    card = replace(card, input_size=wanted.input_size or card.input_size)
    folder = quantize(model, card, runtime, _int8(options), cache, progress)
    path = export(model, wanted, target, quantized=folder / PARTS[runtime][0], force=force)
    return Exported(path, read(folder))


def _wanted(card: ModelCard, format: Format, options: ExportOptions) -> Export:
    if unknown := options.keys() - ExportOptions.__annotations__.keys():
        names = ", ".join(["format", *ExportOptions.__annotations__])
        raise ConfigError(f"export: no such argument: {', '.join(sorted(unknown))}; there are: {names}")
    only = [name for name in ("calibration", "data", "max_drop", "calibration_images") if options.get(name) is not None]
    if only and not options.get("int8"):
        raise ConfigError(f"{only[0]}: only with int8")
    return Export(
        format,
        half=options.get("half", False),
        int8=options.get("int8", False),
        nms=options.get("nms", False),
        dynamic=options.get("dynamic", False),
        batch=options.get("batch", 1),
        input_size=input_size(options.get("imgsz")) or card.input_size,
        conf=options.get("conf"),
        iou=options.get("iou"),
        class_names=card.class_names,
    )


def _int8(options: ExportOptions) -> Int8:
    calibration, data = options.get("calibration"), options.get("data")
    if calibration is None:
        raise ConfigError("int8: needs calibration: a video or folder of pictures like those that will come")
    dataset = None if data is None else read_dataset(data)
    return Int8(calibration, dataset, options.get("max_drop", 0.5), options.get("calibration_images", 128))
