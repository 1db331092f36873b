"""The layers that YOLO-NAS is made of; attribute names are those of the published state dicts."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from stages.detector.yolo_nas.layouts import Csp

Block = Callable[[int, int], nn.Module]
"""Makes a layer from its input and output channels."""


class ConvBn(nn.Module):
    """Convolution, batch normalisation, ReLU; ``stride`` 2 halves height and width."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H / stride, W / stride), not negative."""
        return torch.relu(self.bn(self.conv(x)))


def conv3x3(inputs: int, outputs: int) -> nn.Module:
    """Return a 3x3 ``ConvBn``, for use as a ``Block``."""
    return ConvBn(inputs, outputs, 3)


class QARepVgg(nn.Module):
    """Quantization-aware RepVGG block (arXiv 2212.01593): branches in training that fuse to one 3x3 convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.residual = stride == 1 and inputs == outputs
        self.branch_3x3 = nn.Sequential()
        self.branch_3x3.add_module("conv", nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False))
        self.branch_3x3.add_module("bn", nn.BatchNorm2d(outputs))
        self.branch_1x1 = nn.Conv2d(inputs, outputs, 1)
        self.post_bn = nn.BatchNorm2d(outputs)
        # Published state dicts reserve a place for the fused kernel; nothing reads it.
        self.rbr_reparam = nn.Conv2d(inputs, outputs, 3, stride, 1).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H / stride, W / stride), not negative."""
        # A slice, then a plain 1x1 convolution: the backward pass of a strided one hangs in channels_last (torch 2.13).
        picked = x[:, :, :: self.stride, :: self.stride] if self.stride > 1 else x
        total = self.branch_3x3(x) + self.branch_1x1(picked)
        if self.residual:
            total = total + x
        return torch.relu(self.post_bn(total))


class Bottleneck(nn.Module):
    """Two blocks beside a shortcut that is weighted by a learned number."""

    def __init__(self, channels: int, block: Block) -> None:
        super().__init__()
        self.cv1 = block(channels, channels)
        self.cv2 = block(channels, channels)
        self.alpha = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        y: Tensor = self.alpha * x + self.cv2(self.cv1(x))
        return y


class CspLayer(nn.Module):
    """Cross-stage-partial layer: bottlenecks on one half of the channels, the other half passed by."""

    def __init__(self, inputs: int, size: Csp, block: Block = QARepVgg) -> None:
        super().__init__()
        parts = 2 + size.blocks * size.intermediates
        self.intermediates = size.intermediates
        self.conv1 = ConvBn(inputs, size.hidden, 1)
        self.conv2 = ConvBn(inputs, size.hidden, 1)
        self.conv3 = ConvBn(size.hidden * parts, size.out, 1)
        self.bottlenecks = nn.ModuleList(Bottleneck(size.hidden, block) for _ in range(size.blocks))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, size.out, H, W)."""
        steps = [self.conv1(x)]
        for bottleneck in self.bottlenecks:
            steps.append(bottleneck(steps[-1]))
        kept = steps if self.intermediates else steps[-1:]
        y: Tensor = self.conv3(torch.cat([*kept, self.conv2(x)], 1))
        return y


class Spp(nn.Module):
    """Spatial pyramid pooling: what lies around a cell, at several sizes, beside the cell itself."""

    def __init__(self, channels: int, windows: Sequence[int]) -> None:
        super().__init__()
        self.cv1 = ConvBn(channels, channels // 2, 1)
        self.cv2 = ConvBn(channels // 2 * (1 + len(windows)), channels, 1)
        self.pools = nn.ModuleList(nn.MaxPool2d(window, 1, window // 2) for window in windows)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        x = self.cv1(x)
        y: Tensor = self.cv2(torch.cat([x, *(pool(x) for pool in self.pools)], 1))
        return y
