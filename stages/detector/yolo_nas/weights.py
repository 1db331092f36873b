"""Weights files: safetensors with a ``ModelCard`` in the header."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.errors import ModelError
from stages.detector.yolo_nas.card import ModelCard, locate, random_layout, read_card, read_metadata
from stages.detector.yolo_nas.model import YoloNas, build

_UNREAD: Final = (".rbr_reparam.weight", ".rbr_reparam.bias", ".num_batches_tracked")
"""Entries of the state dict that inference never reads: not stored, not demanded."""

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
    """Return the unfused network of a file that ``save`` wrote, in eval mode and float32, and its card.

    Raises:
        ModelError: The file is missing, damaged, or holds other tensors than its layout asks for.
    """
    card = read_metadata(path)
    network = build(card.layout, len(card.class_names))
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} can't be read as safetensors weights: {error}") from error
    own = {key: value for key, value in network.state_dict().items() if not key.endswith(_UNREAD)}
    if problem := _difference(own, stored):
        raise ModelError(f"{path} does not fit layout {card.layout!r} with {len(card.class_names)} classes: {problem}")
    network.load_state_dict({key: stored[key].float() for key in own}, strict=False)
    return network.eval(), card


def load_model(model: str) -> tuple[YoloNas, ModelCard]:
    """Return the unfused network, in eval mode, and the card of a model by name.

    Raises:
        ModelError: There is no such model, or its file is damaged.
    """
    if random_layout(model) is None:
        return load(locate(model))
    card = read_card(model)
    return _untrained(card), card


def _difference(own: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> str:
    missing = [key for key in own if key not in stored]
    if missing:
        return f"{len(missing)} tensors are missing: {_first(missing)}"
    wrong = [key for key in own if own[key].shape != stored[key].shape]
    if wrong:
        return f"{len(wrong)} tensors have another shape: {_first(wrong)}"
    unknown = [key for key in stored if key not in own and not key.endswith(_UNREAD)]
    return f"{len(unknown)} tensors are unknown: {_first(unknown)}" if unknown else ""


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", …" if len(keys) > _SHOWN else "")


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
