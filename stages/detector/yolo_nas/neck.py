"""Exchange between scales: coarse to fine, then fine to coarse."""

import torch
from torch import Tensor, nn

from stages.detector.yolo_nas.blocks import ConvBn, CspLayer, conv3x3
from stages.detector.yolo_nas.layouts import Csp, Layout


class Up(nn.Module):
    """Brings a coarse scale to twice its size, beside the features of that scale and of the next finer one."""

    def __init__(self, inputs: int, same: int, finer: int, size: Csp) -> None:
        super().__init__()
        self.reduce_skip1 = ConvBn(same, size.out, 1)
        self.reduce_skip2 = ConvBn(finer, size.out, 1)
        self.conv = ConvBn(inputs, size.out, 1)
        self.upsample = nn.ConvTranspose2d(size.out, size.out, 2, 2)
        self.downsample = ConvBn(size.out, size.out, 3, stride=2)
        self.reduce_after_concat = ConvBn(3 * size.out, size.out, 1)
        self.blocks = CspLayer(size.out, size)

    def forward(self, x: Tensor, same: Tensor, finer: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reduced input (at its size), for the way back, and the result at twice that size."""
        inner = self.conv(x)
        skips = self.reduce_skip1(same), self.downsample(self.reduce_skip2(finer))
        joined = torch.cat([self.upsample(inner), *skips], 1)
        return inner, self.blocks(self.reduce_after_concat(joined))


class Down(nn.Module):
    """Brings a fine scale to half its size, beside what the way up left there."""

    def __init__(self, inputs: int, skip: int, size: Csp) -> None:
        super().__init__()
        self.conv = ConvBn(inputs, size.out // 2, 3, stride=2)
        self.blocks = CspLayer(size.out // 2 + skip, size, conv3x3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return (B, size.out, H / 2, W / 2)."""
        y: Tensor = self.blocks(torch.cat([self.conv(x), skip], 1))
        return y


class Neck(nn.Module):
    """Path aggregation over four scales of the backbone."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        c2, c3, c4, c5 = (stage.out for stage in layout.stages)
        first, second, third, fourth = layout.neck
        self.neck1 = Up(c5, c4, c3, first)
        self.neck2 = Up(first.out, c3, c2, second)
        self.neck3 = Down(second.out, second.out, third)
        self.neck4 = Down(third.out, first.out, fourth)

    def forward(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the features from which boxes are predicted, at strides 8, 16 and 32."""
        inner5, x = self.neck1(c5, c4, c3)
        inner4, p3 = self.neck2(x, c3, c2)
        p4 = self.neck3(p3, inner4)
        return p3, p4, self.neck4(p4, inner5)
