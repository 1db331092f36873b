"""The network in OpenVINO's form, converted once and kept on disk, so that a second start needs no torch."""

import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from stages.detector.yolo_nas.cache import cached
from stages.detector.yolo_nas.card import ModelCard, fingerprint, locate
from stages.detector.yolo_nas.exported import is_ir

_CONVERSION: Final = "1"
"""Part of the key: to be raised when this file changes what it makes."""

_PARTS: Final = ("model.xml", "model.bin")


def converted(model: str, card: ModelCard, cache: Path) -> Path:
    """Return the path of the IR of a model, by name, for images of ``card.input_size``; converted if need be.

    Its input is one image, uint8 BGR (1, H, W, 3); its outputs are boxes (1, A, 4) and scores (1, A, C), float32.
    A model that is an IR already is its own.

    Raises:
        ModelError: There is no such model, or its file is damaged.
        EngineError: The cache can't be written.
    """
    if is_ir(locate(model)):
        return locate(model)
    height, width = card.input_size
    key = (fingerprint(model), f"{height}x{width}", version("openvino"), version("torch"), _CONVERSION)
    return cached(cache, "openvino", key, _PARTS, lambda folder: _save(model, card, folder)) / _PARTS[0]


def convert(model: str, card: ModelCard) -> Any:
    """Return the ``openvino.Model`` of a model by name, for one image of ``card.input_size``.

    Raises:
        ModelError: There is no such model, or its file is damaged.
    """
    import openvino
    import torch

    from stages.detector.yolo_nas.fuse import fused
    from stages.detector.yolo_nas.weights import load_model

    network = fused(load_model(model)[0])
    shape = [1, 3, *card.input_size]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.export warns of its own internals
        program = torch.export.export(network, (torch.zeros(shape),))
        graph = openvino.convert_model(program, verbose=False)
    graph.reshape(shape)
    return _with_preprocessing(graph)


def _save(model: str, card: ModelCard, folder: Path) -> None:
    import openvino

    openvino.save_model(convert(model, card), folder / _PARTS[0], compress_to_fp16=False)


def _with_preprocessing(graph: Any) -> Any:
    from openvino import Layout, Type
    from openvino.preprocess import ColorFormat, PrePostProcessor

    steps = PrePostProcessor(graph)
    tensor = steps.input().tensor()
    tensor.set_element_type(Type.u8).set_layout(Layout("NHWC")).set_color_format(ColorFormat.BGR)
    steps.input().model().set_layout(Layout("NCHW"))
    steps.input().preprocess().convert_element_type(Type.f32).convert_color(ColorFormat.RGB).scale(255.0)
    return steps.build()
