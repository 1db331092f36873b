"""Models for other programs: one file (a folder for OpenVINO) that holds network, preprocessing and class names."""

import shutil
import tempfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from pipeline.errors import ConfigError, EngineError, ModelError, SinkError
from stages.detector.nms import Postprocess
from stages.detector.nms_graph import with_nms
from stages.detector.yolo_nas import ir, onnx
from stages.detector.yolo_nas.card import ModelCard, locate, read_card, with_names
from stages.detector.yolo_nas.exported import IR_SECTION, is_exported
from stages.detector.yolo_nas.onnx import INPUT, Form

if TYPE_CHECKING:
    from onnx import ModelProto

Format = Literal["onnx", "openvino", "tensorrt"]

_SUFFIXES: Final = {"onnx": ".onnx", "openvino": "_openvino_model", "tensorrt": ".engine"}


@dataclass(frozen=True, slots=True)
class Export:
    """What to make of a model.

    The input is ``images``, uint8 BGR (B, H, W, 3). The outputs are ``boxes``, float32 (B, A, 4), xyxy in pixels of the
    input, and ``scores``, float32 (B, A, C), or with ``nms`` ``detections``, as ``nms_graph.with_nms`` describes them.
    """

    format: Format = "onnx"
    half: bool = False
    """float16: in computing, or for OpenVINO, which chooses that by its device, in storing."""
    nms: bool = False
    """Whether to suppress in the graph, by the model's thresholds or these; with ONNX only."""
    dynamic: bool = False
    """Whether batch and image may have any size; TensorRT: the batch up to ``batch``."""
    batch: int = 1
    """How many images at once."""
    input_size: tuple[int, int] | None = None
    """Height, width; the model's own if not given."""
    conf: float | None = None
    iou: float | None = None
    class_names: tuple[str, ...] | None = None
    """Name of each class; the model's own if not given."""

    def __post_init__(self) -> None:
        if self.format not in get_args(Format):
            raise ConfigError(f"format: there is no {self.format!r}; there are: {', '.join(get_args(Format))}")
        if self.nms and self.format != "onnx":
            raise ConfigError(f"nms: only with format onnx: in {self.format} its results could differ from ours")
        if self.batch < 1:
            raise ConfigError(f"batch: {self.batch} is less than 1")
        for name, value in (("conf", self.conf), ("iou", self.iou)):
            if value is not None and not (self.nms and 0 <= value <= 1):
                raise ConfigError(f"{name}: {value}: give 0 to 1, with nms only")


def export(model: str, wanted: Export, output: Path | None = None, *, force: bool = False) -> Path:
    """Write a model by name as ``wanted``, and return where; ``output`` is by default named after the model, here.

    Raises:
        ModelError: There is no such model, or its file is damaged, or it is an exported one.
        EngineError: A package is missing, or it refuses the model.
        SinkError: The output exists and ``force`` is not set, or it can't be written.
    """
    card = read_card(model)
    if is_exported(locate(model)):
        raise ModelError(f"{model} is exported already: export the weights that it was made from")
    card = replace(card, input_size=wanted.input_size or card.input_size)
    card = with_names(card, wanted.class_names) if wanted.class_names else card
    output = output or Path(f"{Path(model.replace(':', '_')).stem}{_SUFFIXES[wanted.format]}")
    if output.exists() and not force:
        raise SinkError(f"{output} exists: move it, or write over it by --force")
    make = {"onnx": _write_onnx, "openvino": _write_openvino, "tensorrt": _write_tensorrt}[wanted.format]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=output.parent) as folder:
            fresh = Path(folder) / output.name
            make(model, card, wanted, fresh)
            _move(fresh, output)
    except OSError as error:
        raise SinkError(f"{output} can't be written: {error.strerror or error}") from error
    return output


def _move(fresh: Path, output: Path) -> None:
    if output.is_dir():
        shutil.rmtree(output)
    fresh.replace(output)


def _write_onnx(model: str, card: ModelCard, wanted: Export, path: Path) -> None:
    path.write_bytes(_graph(model, card, wanted).SerializeToString())


def _graph(model: str, card: ModelCard, wanted: Export) -> "ModelProto":
    form = Form(None if wanted.dynamic else wanted.batch, wanted.dynamic, wanted.half and wanted.format != "openvino")
    graph = onnx.convert(model, card, form)
    if wanted.nms:
        conf = card.conf if wanted.conf is None else wanted.conf
        iou = card.iou if wanted.iou is None else wanted.iou
        rules = Postprocess(conf, iou, class_agnostic=card.class_agnostic)
        with_nms(graph, rules, len(card.class_names))
    for key, value in _strings(card, wanted).items():
        graph.metadata_props.add(key=key, value=value)
    return graph


def _write_openvino(model: str, card: ModelCard, wanted: Export, path: Path) -> None:
    if find_spec("openvino") is None:
        raise EngineError("OpenVINO isn't installed: pip install openvino")
    import openvino

    single = wanted.batch == 1 and not wanted.dynamic
    graph = ir.convert(model, card) if single else _from_onnx(_graph(model, card, wanted))
    for key, value in _strings(card, wanted).items():
        graph.set_rt_info(value, [IR_SECTION, key])
    path.mkdir()
    openvino.save_model(graph, path / "model.xml", compress_to_fp16=wanted.half)


def _from_onnx(graph: "ModelProto") -> Any:
    import openvino

    with tempfile.TemporaryDirectory(prefix="detstream-") as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(graph.SerializeToString())
        return openvino.convert_model(file)


def _write_tensorrt(model: str, card: ModelCard, wanted: Export, path: Path) -> None:
    if find_spec("tensorrt") is None:
        raise EngineError("TensorRT isn't installed: pip install tensorrt (it needs an NVIDIA GPU)")
    from stages.detector.tensorrt_build import built

    graph = _graph(model, card, wanted)
    path.write_bytes(built(graph.SerializeToString(), INPUT, card.input_size, wanted.batch, dynamic=wanted.dynamic))


def _strings(card: ModelCard, wanted: Export) -> dict[str, str]:
    return card.to_metadata() | {
        "input": "uint8 BGR (B, H, W, 3)",
        "batch": "any" if wanted.dynamic else str(wanted.batch),
        "any_size": "true" if wanted.dynamic else "false",
        "nms": "true" if wanted.nms else "false",
    }
