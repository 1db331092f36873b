"""Half the bits where they suffice."""

import copy

import torch
from torch import Tensor, nn


class _Float(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.float()


def halved(network: nn.Module) -> nn.Module:
    """Return a copy of a network for float16 images, whose boxes and scores are decoded in float32.

    In float16, a box's side beyond 512 would be a multiple of half a pixel.
    """
    network = copy.deepcopy(network).half()
    heads = network.get_submodule("heads")
    heads.register_buffer("bins", heads.get_buffer("bins").to(torch.float32), persistent=False)
    for head in heads.children():
        for name in ("cls_pred", "reg_pred"):
            setattr(head, name, nn.Sequential(head.get_submodule(name), _Float()))
    return network
