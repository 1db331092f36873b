"""The engines that are compared, and what they load."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from pipeline.errors import EngineError
from stages.detector.engines.onnxruntime import OnnxRuntimeEngine
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.engines.tensorrt import TensorRtEngine
from stages.detector.engines.torch import TorchEngine
from stages.detector.int8.store import demand
from stages.detector.yolo_nas import ir, onnx
from stages.detector.yolo_nas.card import ModelCard, locate, random_layout

Settings: TypeAlias = TorchEngine | OpenVinoEngine | OnnxRuntimeEngine | TensorRtEngine

ENGINES: Final[Mapping[str, Settings]] = {
    "torch": TorchEngine(device="cpu"),
    "onnxruntime": OnnxRuntimeEngine(device="cpu"),
    "onnxruntime-int8": OnnxRuntimeEngine(device="cpu", int8=True),
    "openvino": OpenVinoEngine(),
    "openvino-latency": OpenVinoEngine(hint="latency"),
    "openvino-int8": OpenVinoEngine(int8=True),
    "torch-cuda": TorchEngine(device="cuda"),
    "onnxruntime-cuda": OnnxRuntimeEngine(device="cuda"),
    "tensorrt": TensorRtEngine(),
}
"""By name, one line each: the settings that make it what it is."""


def configured(name: str, max_batch: int, *, half: bool) -> Settings:
    """Return the settings of an engine, with those of the batch and of float16 where it has them.

    Raises:
        EngineError: it has no float16.
    """
    settings = ENGINES[name]
    known = type(settings).model_fields
    if half and _is_int8(settings):
        raise EngineError("it computes in 8-bit integers only")
    if half and "half" not in known:
        raise EngineError("it computes in float32 only")
    changed: dict[str, Any] = {"half": True} if half else {}
    if "max_batch" in known:
        changed["max_batch"] = max_batch
    return type(settings).model_validate(settings.model_dump() | changed)


def size_on_disk(settings: Settings, model: str, card: ModelCard) -> int | None:
    """Return the bytes of the weights or the converted model that an engine loads; None for those in no file.

    Raises:
        EngineError: the cache of converted models can't be written.
        ModelError: there is no such model.
    """
    files = _files(settings, model, card)
    return sum(file.stat().st_size for file in files) if files else None


def _files(settings: Settings, model: str, card: ModelCard) -> Sequence[Path]:
    if isinstance(settings, TorchEngine):
        return () if random_layout(model) else (locate(model),)
    cache = settings.cache_dir.expanduser()
    if isinstance(settings, OpenVinoEngine):
        path = demand(cache, "openvino", model, card) if settings.int8 else ir.converted(model, card, cache)
        return path, path.with_suffix(".bin")
    if _is_int8(settings):
        return (demand(cache, "onnx", model, card),)
    return (onnx.converted(model, card, cache, half=settings.half),)


def _is_int8(settings: Settings) -> bool:
    return isinstance(settings, OpenVinoEngine | OnnxRuntimeEngine) and settings.int8
