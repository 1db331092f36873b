"""YOLO-NAS (Deci, 2023), written anew; state dicts are interchangeable with super-gradients 3.7.1."""

from torch import Tensor, nn

from stages.detector.yolo_nas.backbone import Backbone
from stages.detector.yolo_nas.heads import Heads, Predictions
from stages.detector.yolo_nas.layouts import BN_MOMENTUM, LAYOUTS, Layout, LayoutName
from stages.detector.yolo_nas.neck import Neck


class YoloNas(nn.Module):
    """Object detector; input sides are multiples of 32."""

    def __init__(self, layout: Layout, num_classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(layout)
        self.neck = Neck(layout)
        self.heads = Heads(layout, num_classes)

    def forward(self, images: Tensor) -> Predictions | tuple[Tensor, Tensor]:
        """Find objects in float32 RGB images in [0, 1], (B, 3, H, W).

        In eval mode: boxes (B, A, 4), xyxy in input pixels, not clipped, and scores (B, A, C) in [0, 1]. In training
        mode: ``Predictions``, all that a loss needs.
        """
        found: Predictions = self.heads(*self.neck(*self.backbone(images)))
        return found if self.training else (found.boxes, found.class_logits.sigmoid())


def build(layout: LayoutName, num_classes: int) -> YoloNas:
    """Return an untrained network, in training mode, as torch's global random generator initialises it."""
    size = LAYOUTS[layout]
    network = YoloNas(size, num_classes)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps, module.momentum = size.bn_eps, BN_MOMENTUM
    return network
