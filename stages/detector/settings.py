"""The detector's settings; the engines that there are."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, get_args

import structlog
from pydantic import BeforeValidator, Field

from pipeline.errors import ConfigError, EngineError
from pipeline.plugins import with_plug_ins
from pipeline.settings import KernelSettings, Section
from stages.detector.cuda import has_cuda
from stages.detector.engine import Engine
from stages.detector.engines.null import NullEngine
from stages.detector.engines.onnxruntime import OnnxRuntimeEngine
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.engines.probe import ProbeEngine
from stages.detector.engines.tensorrt import TensorRtEngine
from stages.detector.engines.torch import TorchEngine
from stages.detector.finder import class_ids
from stages.detector.input_size import read_size
from stages.detector.int8.store import find
from stages.detector.nms import Postprocess
from stages.detector.yolo_nas.card import ModelCard, locate, read_card, with_names
from stages.detector.yolo_nas.class_names import read_names
from stages.detector.yolo_nas.exported import is_exported, is_onnx


class AutoEngine(Section):
    """The fastest engine that this machine has: torch on CUDA, then OpenVINO, then torch on the CPU.

    OpenVINO takes the weights' INT8, if there is one that passed its check of accuracy (``detstream export --int8``).
    """

    kind: Literal["auto"] = "auto"
    streams: int = Field(default=0, ge=0)
    """Inferences at once on a CPU, one thread each; 0 for one a core."""
    half: bool = False
    """Whether to compute in float16, on a GPU."""
    int8: bool | None = None
    """Whether to compute in 8-bit integers, on a CPU; if not given, where that passed its check of accuracy."""

    def build(self, model: str, input_size: tuple[int, int] | None = None) -> Engine:
        """Return the engine for a model by name; ``input_size`` (height, width) replaces that of its card.

        Raises:
            EngineError: none can be built.
            ModelError: the weights are missing or damaged.
        """
        exported, cuda = is_exported(locate(model)), has_cuda()
        if self.half and (exported or not cuda):
            raise EngineError("half needs a GPU, and weights that are not exported: an export has its precision")
        if self.int8 and (exported or self.half):
            raise EngineError("int8 needs weights that are not exported: an export has its precision; and no half")
        if exported:
            return _of_exported(model, self.streams).build(model, input_size)
        if cuda and not self.int8:
            return TorchEngine(device="cuda", half=self.half).build(model, input_size)
        try:
            return self._openvino(model, input_size).build(model, input_size)
        except EngineError as error:
            if self.int8:
                raise
            structlog.get_logger().warning("no OpenVINO, torch on the CPU instead", reason=str(error))
            return TorchEngine(device="cpu").build(model, input_size)

    def _openvino(self, model: str, input_size: tuple[int, int] | None) -> OpenVinoEngine:
        engine = OpenVinoEngine(streams=self.streams)
        own = read_card(model)
        card = replace(own, input_size=input_size or own.input_size)
        checked = self.int8 is None and find(engine.cache_dir, "openvino", model, card, passed=True) is not None
        return engine.model_copy(update={"int8": self.int8 or checked})


def _of_exported(model: str, streams: int) -> OnnxRuntimeEngine | OpenVinoEngine:
    return OnnxRuntimeEngine(streams=streams) if is_onnx(locate(model)) else OpenVinoEngine(streams=streams)


_BuiltIn: TypeAlias = (
    AutoEngine | OpenVinoEngine | TorchEngine | OnnxRuntimeEngine | TensorRtEngine | NullEngine | ProbeEngine
)
if TYPE_CHECKING:
    _Engines: TypeAlias = _BuiltIn
else:
    _Engines = with_plug_ins(_BuiltIn, "detstream.engines", Section, "build")
EngineSettings = Annotated[_Engines, Field(discriminator="kind")]

_PRECISIONS: Final = {"half": "float16", "int8": "8-bit integers"}


def precision(kind: str, *, half: bool, int8: bool) -> dict[str, bool]:
    """Return the settings that ask an engine, by its kind, for float16 or for 8-bit integers.

    Raises:
        ConfigError: it has none, or both are asked for, or this machine has no GPU for float16.
    """
    wanted = {name: True for name, asked in (("half", half), ("int8", int8)) if asked}
    if len(wanted) > 1:
        raise ConfigError("half and int8: choose one of them")
    engines = {str(model.model_fields["kind"].default): model for model in get_args(get_args(EngineSettings)[0])}
    for name in wanted:
        able = [other for other, model in engines.items() if name in model.model_fields]
        if kind in engines and kind not in able:
            raise ConfigError(
                f"{name}: engine '{kind}' can't compute in {_PRECISIONS[name]}; these can: {', '.join(able) or 'none'}"
            )
    if half and not has_cuda():
        raise ConfigError("half: float16 needs a GPU, and this machine shows none")
    return wanted


def _input_size(wanted: Any) -> tuple[int, int] | None:
    return None if wanted is None else read_size(wanted)


def _names(wanted: Any) -> Any:
    try:
        return read_names(wanted) if isinstance(wanted, str) else wanted
    except ConfigError as error:
        raise ValueError(str(error)) from error


class DetectorSettings(Section):
    """What to look for, and with what."""

    model: str = "demo"
    """`demo`, or a file of weights."""
    engine: EngineSettings = AutoEngine()
    imgsz: Annotated[tuple[int, int] | None, BeforeValidator(_input_size)] = None
    """Height and width of the network's input: 640, 384x640 or [384, 640]; the model's own if not given."""
    names: Annotated[tuple[str, ...] | None, BeforeValidator(_names)] = None
    """Names of the classes: a list, `a,b,c`, or a file, as of a data set; the model's own if not given."""
    timeout_s: float = Field(default=120, gt=0)
    """A detector whose engine takes longer for a batch is started again."""
    conf: float | None = Field(default=None, ge=0, le=1)
    """Least confidence; the model's own default if not given."""
    iou: float | None = Field(default=None, ge=0, le=1)
    """Overlap above which the lesser of two boxes is dropped; the model's own default if not given."""
    classes: tuple[int | str, ...] | None = None
    """Numbers or names; all if not given."""
    class_agnostic: bool | None = None
    """Whether boxes of different classes suppress each other; the model's own default if not given."""
    max_detections: int = Field(default=300, ge=1, le=10_000)

    def over(self, card: ModelCard) -> ModelCard:
        """Return a model's card with the names and the size of the input that are set.

        Raises:
            ModelError: there are more or fewer names than classes.
        """
        sized = replace(card, input_size=self.imgsz or card.input_size)
        return sized if self.names is None else with_names(sized, self.names)

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
