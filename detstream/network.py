"""How large a network is."""

from dataclasses import dataclass
from typing import Any

from stages.detector.yolo_nas.card import ModelCard


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """Counts of a network as it runs, its branches fused, and of the weights that it is made from."""

    layers: int
    """Modules without parts."""
    parameters: int
    weights: int
    """Parameters before fusing, the original's reserved places included: what super-gradients counts."""
    gflops: float
    """For one image of the input size: the convolutions' multiply-adds, each counted as 2; 1e9 of them."""


def network_size(card: ModelCard) -> NetworkSize:
    """Return the size of a network, computed from shapes alone: without weights, in milliseconds."""
    import torch

    from stages.detector.yolo_nas.fuse import fused
    from stages.detector.yolo_nas.model import build

    with torch.device("meta"):
        network = build(card.layout, len(card.class_names))
        runs = fused(network)
        operations = _operations(runs, torch.zeros(1, 3, *card.input_size))
    return NetworkSize(
        layers=sum(not any(module.children()) for module in runs.modules()),
        parameters=sum(parameter.numel() for parameter in runs.parameters()),
        weights=sum(parameter.numel() for parameter in network.parameters()),
        gflops=operations / 1e9,
    )


def _operations(network: Any, images: Any) -> int:
    """Return twice the multiply-adds of all convolutions on the images (B, 3, H, W)."""
    import torch
    from torch import nn

    counted: list[int] = []

    def count(module: Any, inputs: Any, output: Any) -> None:
        # Each output of a convolution sums a kernel's worth; each input of a transposed one is spread over as many.
        places = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        counted.append(2 * places.numel() * module.weight[0].numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(images)
    return sum(counted)
