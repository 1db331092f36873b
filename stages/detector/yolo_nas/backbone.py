"""From pixels to features at four scales."""

from torch import Tensor, nn

from stages.detector.yolo_nas.blocks import CspLayer, QARepVgg, Spp
from stages.detector.yolo_nas.layouts import POOLS, Csp, Layout


class Stem(nn.Module):
    """The first convolution, at half size."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = QARepVgg(3, outputs, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H / 2, W / 2)."""
        y: Tensor = self.conv(x)
        return y


class Stage(nn.Module):
    """Half the size, then one cross-stage-partial layer."""

    def __init__(self, inputs: int, size: Csp) -> None:
        super().__init__()
        self.downsample = QARepVgg(inputs, size.out, stride=2)
        self.blocks = CspLayer(size.out, size)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, size.out, H / 2, W / 2)."""
        y: Tensor = self.blocks(self.downsample(x))
        return y


class Backbone(nn.Module):
    """Stem, four stages, spatial pyramid pooling."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        first, second, third, fourth = layout.stages
        self.stem = Stem(layout.stem)
        self.stage1 = Stage(layout.stem, first)
        self.stage2 = Stage(first.out, second)
        self.stage3 = Stage(second.out, third)
        self.stage4 = Stage(third.out, fourth)
        self.context_module = Spp(fourth.out, POOLS)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the features at strides 4, 8, 16 and 32."""
        c2 = self.stage1(self.stem(images))
        c3 = self.stage2(c2)
        c4 = self.stage3(c3)
        return c2, c3, c4, self.context_module(self.stage4(c4))
