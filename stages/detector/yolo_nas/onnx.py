"""The network in ONNX, converted once and kept on disk, so that a second start needs no torch.

The reversal of the channels is folded into the first kernel, which costs no precision; the rest of the preprocessing is
in the graph. The exporter is torch's older one: the newer one needs two more packages, for the same graph.
"""

import tempfile
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import EngineError
from stages.detector.yolo_nas.cache import cached
from stages.detector.yolo_nas.card import ModelCard, fingerprint, locate
from stages.detector.yolo_nas.exported import is_onnx

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

_CONVERSION: Final = "1"
"""Part of the key: to be raised when this file changes what it makes."""

_PART: Final = "model.onnx"
_OPSET: Final = 17
INPUT: Final = "images"
OUTPUTS: Final = ("boxes", "scores")


@dataclass(frozen=True, slots=True)
class Form:
    """What a graph takes and computes with."""

    batch: int | None = None
    """How many images; None for any number."""
    any_size: bool = False
    """Whether the sides of images may be any multiples of 32."""
    half: bool = False
    """Whether it computes in float16, up to the decoding of boxes and scores."""


def converted(model: str, card: ModelCard, cache: Path, *, half: bool = False) -> Path:
    """Return the path of the ONNX file of a model, by name, for images of ``card.input_size``; converted if need be.

    Its input is ``images``, uint8 BGR (B, H, W, 3); its outputs are ``boxes`` (B, A, 4) and ``scores`` (B, A, C),
    float32. A model that is an ONNX file already is its own.

    Raises:
        ModelError: There is no such model, or its file is damaged.
        EngineError: The package onnx is missing, or the cache can't be written.
    """
    if is_onnx(locate(model)):
        return locate(model)
    height, width = card.input_size
    key = (fingerprint(model), f"{height}x{width}", "half" if half else "float", version("torch"), _CONVERSION)
    return cached(cache, "onnx", key, [_PART], lambda folder: _save(model, card, folder, Form(half=half))) / _PART


def convert(model: str, card: ModelCard, form: Form) -> "ModelProto":
    """Return the graph of a model by name, as ``converted`` describes it, in another form.

    Raises:
        ModelError: There is no such model, or its file is damaged.
        EngineError: The package onnx is missing.
    """
    if find_spec("onnx") is None:
        raise EngineError("to convert a model to ONNX: pip install 'detstream[onnx]'")
    import onnx
    import torch

    from stages.detector.yolo_nas.fuse import fused
    from stages.detector.yolo_nas.weights import load_model

    network = _for_bytes(fused(load_model(model)[0]), half=form.half)
    example = torch.zeros((form.batch or 2, *card.input_size, 3), dtype=torch.uint8)
    with tempfile.TemporaryDirectory(prefix="detstream-") as folder:
        file = Path(folder) / _PART
        _trace(network, example, _axes(form), file)
        graph = onnx.load(file)
    graph.producer_name, graph.producer_version = "detstream", ""
    return graph


def _trace(network: "nn.Module", example: "Tensor", axes: dict[str, dict[int, str]], file: Path) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it is the older one, and that it traces
        torch.onnx.export(
            network,
            (example,),
            file,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )


def _save(model: str, card: ModelCard, folder: Path, form: Form) -> None:
    (folder / _PART).write_bytes(convert(model, card, form).SerializeToString())


def _axes(form: Form) -> dict[str, dict[int, str]]:
    batch = {} if form.batch else {0: "batch"}
    size, anchors = ({1: "height", 2: "width"}, {1: "anchors"}) if form.any_size else ({}, {})
    return {INPUT: batch | size} | dict.fromkeys(OUTPUTS, batch | anchors)


def _for_bytes(network: "nn.Module", *, half: bool) -> "nn.Module":
    """Return the fused network for images uint8 BGR (B, H, W, 3)."""
    import torch
    from torch import nn

    from stages.detector.yolo_nas.half import halved

    class ForBytes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = halved(network) if half else network

        def forward(self, images: "Tensor") -> Any:
            # To float first: TensorRT does nothing else with bytes.
            planes = images.float().permute(0, 3, 1, 2) / 255
            return self.network(planes.half() if half else planes)

    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        first.weight.copy_(first.weight.flip(1).contiguous())
    return ForBytes().eval()
