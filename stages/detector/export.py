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
from stages.detector.yolo_nas.exported import IR_SECTION, is_exported, is_ir
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
    int8: bool = False
    """8-bit integers, but for the blocks that its making kept in float; for one image of a fixed size."""
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
        if self.int8 and (self.half or self.dynamic or self.batch > 1 or self.format == "tensorrt"):
            raise ConfigError("int8: for one image of a fixed size, in format onnx or openvino, without half")
        for name, value in (("conf", self.conf), ("iou", self.iou)):
            if value is not None and not (self.nms and 0 <= value <= 1):
                raise ConfigError(f"{name}: {value}: give 0 to 1, with nms only")


def export(
    model: str, wanted: Export, output: Path | None = None, *, quantized: Path | None = None, force: bool = False
) -> Path:
    """Write a model by name as ``wanted``, and return where; ``output`` is by default named after the model, here.

    ``quantized`` is its file in INT8 (``stages.detector.int8.store``), if ``wanted.int8``.

    Raises:
        ModelError: There is no such model, or its file is damaged, or it is an exported one.
        EngineError: A package is missing, or it refuses the model.
        SinkError: The output exists and ``force`` is not set, or it can't be written.
    """
    output = destination(model, wanted, output, force=force)
    card = read_card(model)
    card = replace(card, input_size=wanted.input_size or card.input_size)
    card = with_names(card, wanted.class_names) if wanted.class_names else card
    make = {"onnx": _write_onnx, "openvino": _write_openvino, "tensorrt": _write_tensorrt}[wanted.format]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=output.parent) as folder:
            fresh = Path(folder) / output.name
            make(_Task(model, card, wanted, quantized), fresh)
            _move(fresh, output)
    except OSError as error:
        raise SinkError(f"{output} can't be written: {error.strerror or error}") from error
    return output


def destination(model: str, wanted: Export, output: Path | None, *, force: bool) -> Path:
    """Return where ``export`` will write, if it may.

    Raises:
        ModelError: The model is an exported one.
        SinkError: The output exists and ``force`` is not set.
    """
    if is_exported(locate(model)):
        raise ModelError(f"{model} is exported already: export the weights that it was made from")
    output = output or Path(f"{Path(model.replace(':', '_')).stem}{_SUFFIXES[wanted.format]}")
    if output.exists() and not force:
        raise SinkError(f"{output} exists: move it, or write over it by --force")
    return output


def _move(fresh: Path, output: Path) -> None:
    if output.is_dir():
        shutil.rmtree(output)
    fresh.replace(output)


def save_graph(graph: Any, card: ModelCard, path: Path) -> None:
    """Write an ``openvino.Model``, to a path in ``.xml``, or an ``onnx.ModelProto``, as ``export`` for one image."""
    _save(graph, card, Export(input_size=card.input_size), path)


@dataclass(frozen=True, slots=True)
class _Task:
    """What to write."""

    model: str
    card: ModelCard
    wanted: Export
    quantized: Path | None


def _write_onnx(task: _Task, path: Path) -> None:
    _save(_graph(task), task.card, task.wanted, path)


def _graph(task: _Task) -> "ModelProto":
    wanted, card = task.wanted, task.card
    if task.quantized is not None:
        import onnx as package

        graph = package.load(task.quantized)
    else:
        half = wanted.half and wanted.format != "openvino"
        graph = onnx.convert(task.model, card, Form(None if wanted.dynamic else wanted.batch, wanted.dynamic, half))
    if wanted.nms:
        conf = card.conf if wanted.conf is None else wanted.conf
        iou = card.iou if wanted.iou is None else wanted.iou
        rules = Postprocess(conf, iou, class_agnostic=card.class_agnostic)
        with_nms(graph, rules, len(card.class_names))
    return graph


def _write_openvino(task: _Task, path: Path) -> None:
    if find_spec("openvino") is None:
        raise EngineError("OpenVINO isn't installed: pip install openvino")
    path.mkdir()
    _save(_network(task), task.card, task.wanted, path / "model.xml")


def _network(task: _Task) -> Any:
    import openvino

    if task.quantized is not None:
        return openvino.Core().read_model(task.quantized)
    single = task.wanted.batch == 1 and not task.wanted.dynamic
    return ir.convert(task.model, task.card) if single else _from_onnx(_graph(task))


def _from_onnx(graph: "ModelProto") -> Any:
    import openvino

    with tempfile.TemporaryDirectory(prefix="detstream-") as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(graph.SerializeToString())
        return openvino.convert_model(file)


def _write_tensorrt(task: _Task, path: Path) -> None:
    if find_spec("tensorrt") is None:
        raise EngineError("TensorRT isn't installed: pip install tensorrt (it needs an NVIDIA GPU)")
    from stages.detector.tensorrt_build import built

    wanted = task.wanted
    graph = _graph(task)
    _describe(graph, task.card, wanted)
    size = task.card.input_size
    path.write_bytes(built(graph.SerializeToString(), INPUT, size, wanted.batch, dynamic=wanted.dynamic))


def _save(graph: Any, card: ModelCard, wanted: Export, path: Path) -> None:
    if not is_ir(path):
        _describe(graph, card, wanted)
        path.write_bytes(graph.SerializeToString())
        return
    import openvino

    for key, value in _strings(card, wanted).items():
        graph.set_rt_info(value, [IR_SECTION, key])
    openvino.save_model(graph, path, compress_to_fp16=wanted.half)


def _describe(graph: "ModelProto", card: ModelCard, wanted: Export) -> None:
    del graph.metadata_props[:]
    for key, value in _strings(card, wanted).items():
        graph.metadata_props.add(key=key, value=value)


def _strings(card: ModelCard, wanted: Export) -> dict[str, str]:
    return card.to_metadata() | {
        "input": "uint8 BGR (B, H, W, 3)",
        "batch": "any" if wanted.dynamic else str(wanted.batch),
        "any_size": "true" if wanted.dynamic else "false",
        "nms": "true" if wanted.nms else "false",
    }
