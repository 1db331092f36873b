"""Weights files: safetensors with a ``ModelCard`` in the header, and the checkpoints that people have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.errors import ModelError
from stages.detector.yolo_nas.card import ModelCard, locate, random_layout, read_card, read_metadata
from stages.detector.yolo_nas.checkpoint import Shapes, is_pickled, read_arrays, read_contents, unprefixed
from stages.detector.yolo_nas.exported import is_exported
from stages.detector.yolo_nas.model import YoloNas, build
from stages.detector.yolo_nas.records import shown

_UNREAD: Final = (".rbr_reparam.weight", ".rbr_reparam.bias", ".num_batches_tracked")
"""Entries of the state dict that inference never reads: not stored, not demanded."""

_DERIVED: Final = (".id_tensor", "heads.proj_conv", "heads.anchor_points", "heads.stride_tensor")
"""What the original computes from the layout and does not mean to store: accepted, never read."""

_SHOWN: Final = 3

_GRAINS: Final = (1, 4, 16, 64)


def save(path: Path, network: nn.Module, card: ModelCard, dtype: torch.dtype = torch.float32) -> None:
    """Write an unfused network and its card to one file; ``dtype`` is that of the kernels in it.

    Everything else stays float32: float16 would lose small variances.

    Raises:
        ModelError: The file can't be written.
    """
    stored = {
        key: value.detach().to("cpu", dtype if value.dim() > 1 else torch.float32).contiguous()
        for key, value in network.state_dict().items()
        if not key.endswith(_UNREAD)
    }
    try:
        save_file(stored, path, card.to_metadata())
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} can't be written: {error}") from error


def load(path: Path) -> tuple[YoloNas, ModelCard]:
    """Return the unfused network of a weights file, in eval mode and float32, and its card.

    Raises:
        ModelError: The file is missing, damaged, refused, or holds other tensors than its layout asks for.
    """
    card = read_metadata(path)
    network = build(card.layout, len(card.class_names))
    own = {key: value for key, value in network.state_dict().items() if not key.endswith(_UNREAD)}
    stored = _stored(path, {key: tuple(value.shape) for key, value in own.items()}, card)
    network.load_state_dict({key: stored[key].float() for key in own}, strict=False)
    return network.eval(), card


def load_model(model: str) -> tuple[YoloNas, ModelCard]:
    """Return the unfused network, in eval mode, and the card of a model by name.

    Raises:
        ModelError: There is no such model, or its file is damaged.
    """
    if random_layout(model) is None:
        if is_exported(locate(model)):
            raise ModelError(f"{model} is an exported model: openvino runs an .xml, onnxruntime and tensorrt an .onnx")
        return load(locate(model))
    card = read_card(model)
    return _untrained(card), card


def _stored(path: Path, own: Shapes, card: ModelCard) -> Mapping[str, Tensor]:
    """Return the tensors of a file; a checkpoint's are read only if their shapes fit."""
    if is_pickled(path):
        _compare(path, own, read_contents(path).shapes, card)
        arrays = read_arrays(path, frozenset(own))
        return {key: torch.from_numpy(np.array(array)) for key, array in arrays.items()}
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} can't be read as safetensors weights: {error}") from error
    stored = {name: stored[full] for full, name in unprefixed(stored).items()}
    _compare(path, own, {key: tuple(value.shape) for key, value in stored.items()}, card)
    return stored


def _compare(path: Path, own: Shapes, stored: Shapes, card: ModelCard) -> None:
    if problem := _difference(own, stored):
        raise ModelError(f"{path} does not fit layout {card.layout!r} with {len(card.class_names)} classes: {problem}")


def _difference(own: Shapes, stored: Shapes) -> str:
    found = {
        "are missing": [key for key in own if key not in stored],
        "have another shape": [key for key in own if key in stored and own[key] != stored[key]],
        "are unknown": [key for key in stored if key not in own and not key.endswith(_UNREAD + _DERIVED)],
    }
    return "; ".join(f"{len(keys)} tensors {what}: {_first(keys)}" for what, keys in found.items() if keys)


def _first(keys: list[str]) -> str:
    return ", ".join(map(shown, keys[:_SHOWN])) + (", …" if len(keys) > _SHOWN else "")


def _untrained(card: ModelCard) -> YoloNas:
    """Return a network with random kernels whose normalisations fit what reaches them.

    Without such statistics activations fade into denormals, with which a CPU is many times slower than with real ones.
    """
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        network = build(card.layout, len(card.class_names))
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
        network(_clouds())
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()


def _clouds() -> Tensor:
    """Return images (2, 3, 320, 320) in [0, 1] with detail at all scales and more contrast than photographs have."""
    layers = [nn.functional.interpolate(torch.rand(2, 3, 320 // size, 320 // size), (320, 320)) for size in _GRAINS]
    return ((torch.stack(layers).mean(0) - 0.5) * 4 + 0.5).clamp(0, 1)
