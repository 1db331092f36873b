"""The detector's settings; the engines that there are."""

from typing import Annotated, Any, Literal

import structlog
from pydantic import Field

from pipeline.errors import EngineError
from pipeline.settings import KernelSettings, Section
from stages.detector.cuda import has_cuda
from stages.detector.engine import Engine
from stages.detector.engines.null import NullEngine
from stages.detector.engines.onnxruntime import OnnxRuntimeEngine
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.engines.tensorrt import TensorRtEngine
from stages.detector.engines.torch import TorchEngine
from stages.detector.finder import class_ids
from stages.detector.nms import Postprocess
from stages.detector.yolo_nas.card import ModelCard, locate
from stages.detector.yolo_nas.exported import is_exported, is_onnx


class AutoEngine(Section):
    """The fastest engine that this machine has: torch on CUDA, then OpenVINO, then torch on the CPU."""

    kind: Literal["auto"] = "auto"
    streams: int = Field(default=0, ge=0)
    """Inferences at once on a CPU, one thread each; 0 for one a core."""

    def build(self, model: str, input_size: tuple[int, int] | None = None) -> Engine:
        """Return the engine for a model by name; ``input_size`` (height, width) replaces that of its card.

        Raises:
            EngineError: none can be built.
            ModelError: the weights are missing or damaged.
        """
        if is_exported(locate(model)):
            return _of_exported(model, self.streams).build(model, input_size)
        if has_cuda():
            return TorchEngine(device="cuda").build(model, input_size)
        try:
            return OpenVinoEngine(streams=self.streams).build(model, input_size)
        except EngineError as error:
            structlog.get_logger().warning("no OpenVINO, torch on the CPU instead", reason=str(error))
            return TorchEngine(device="cpu").build(model, input_size)


def _of_exported(model: str, streams: int) -> OnnxRuntimeEngine | OpenVinoEngine:
    return OnnxRuntimeEngine(streams=streams) if is_onnx(locate(model)) else OpenVinoEngine(streams=streams)


EngineSettings = Annotated[
    AutoEngine | OpenVinoEngine | TorchEngine | OnnxRuntimeEngine | TensorRtEngine | NullEngine,
    Field(discriminator="kind"),
]


class DetectorSettings(Section):
    """What to look for, and with what."""

    model: str = "demo"
    """`demo`, or a file of weights."""
    engine: EngineSettings = AutoEngine()
    conf: float | None = Field(default=None, ge=0, le=1)
    """Least confidence; the model's own default if not given."""
    iou: float | None = Field(default=None, ge=0, le=1)
    """Overlap above which the lesser of two boxes is dropped; the model's own default if not given."""
    classes: tuple[int | str, ...] | None = None
    """Numbers or names; all if not given."""
    class_agnostic: bool | None = None
    """Whether boxes of different classes suppress each other; the model's own default if not given."""
    max_detections: int = Field(default=300, ge=1, le=10_000)

    def postprocess(self, card: ModelCard) -> Postprocess:
        """Return the rules for picking objects, with the model's defaults where nothing is set.

        Raises:
            ConfigError: the model has no such class.
        """
        return Postprocess(
            conf=card.conf if self.conf is None else self.conf,
            iou=card.iou if self.iou is None else self.iou,
            class_agnostic=card.class_agnostic if self.class_agnostic is None else self.class_agnostic,
            max_detections=self.max_detections,
            classes=class_ids(self.classes, card),
        )


class DetectorRoot(KernelSettings):
    """The whole settings file, as the detector sees it."""

    detector: DetectorSettings = DetectorSettings()
    decoder: Any = None
    tracker: Any = None
    annotator: Any = None
