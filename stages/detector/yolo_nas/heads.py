"""From features to boxes and scores.

A box is four distances from an anchor point, in strides, each the expectation of a distribution over ``BINS`` bins
(super-gradients 3.7.1, ``training/models/detection_models/yolo_nas/dfl_heads.py``).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stages.detector.yolo_nas.blocks import ConvBn
from stages.detector.yolo_nas.layouts import BINS, STRIDES, Layout


class Predictions(NamedTuple):
    """What the network says of every anchor (A: stride 8, 16, 32; row by row inside each)."""

    boxes: Tensor
    """(B, A, 4) xyxy, pixels of the network's input, not clipped."""
    class_logits: Tensor
    """(B, A, C), before the sigmoid."""
    box_logits: Tensor
    """(B, A, 4 * BINS), before the softmax over the bins of each side: left, top, right, bottom."""
    points: Tensor
    """(A, 2) x, y of the anchor points, pixels of the network's input."""
    strides: Tensor
    """(A, 1) pixels per bin."""


class SeqConvBn(nn.Module):
    """A ``ConvBn`` under the name that the published state dicts give it in the heads."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.seq = ConvBn(inputs, outputs, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H, W)."""
        y: Tensor = self.seq(x)
        return y


class Head(nn.Module):
    """Predicts the boxes of one scale."""

    def __init__(self, inputs: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.stem = SeqConvBn(inputs, width, 1)
        self.cls_convs = nn.Sequential(SeqConvBn(width, width, 3))
        self.reg_convs = nn.Sequential(SeqConvBn(width, width, 3))
        self.cls_pred = nn.Conv2d(width, num_classes, 1)
        self.reg_pred = nn.Conv2d(width, 4 * BINS, 1)
        # Training starts from a score of 0.01 everywhere (focal loss, arXiv 1708.02002, 4.1).
        self.cls_pred.bias = nn.Parameter(torch.full((num_classes,), -math.log(99.0)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return class logits (B, H * W, C) and box logits (B, H * W, 4 * BINS)."""
        x = self.stem(x)
        classes = self.cls_pred(self.cls_convs(x))
        sides = self.reg_pred(self.reg_convs(x))
        return classes.flatten(2).transpose(1, 2), sides.flatten(2).transpose(1, 2)


class Heads(nn.Module):
    """Predicts the boxes of all scales."""

    bins: Tensor

    def __init__(self, layout: Layout, num_classes: int) -> None:
        super().__init__()
        p3, p4, p5 = (size.out for size in layout.neck[1:])
        self.head1 = Head(p3, layout.heads[0], num_classes)
        self.head2 = Head(p4, layout.heads[1], num_classes)
        self.head3 = Head(p5, layout.heads[2], num_classes)
        self.register_buffer("bins", torch.arange(BINS, dtype=torch.float32), persistent=False)

    def forward(self, p3: Tensor, p4: Tensor, p5: Tensor) -> Predictions:
        """Return the predictions of all anchors."""
        classes, sides = zip(self.head1(p3), self.head2(p4), self.head3(p5), strict=True)
        points, strides = anchors((p3, p4, p5))
        box_logits = torch.cat(sides, 1)
        boxes = self._boxes(box_logits, points, strides)
        return Predictions(boxes, torch.cat(classes, 1), box_logits, points * strides, strides)

    def _boxes(self, logits: Tensor, points: Tensor, strides: Tensor) -> Tensor:
        distances = logits.reshape(*logits.shape[:2], 4, BINS).softmax(-1) @ self.bins
        return torch.cat([points - distances[..., :2], points + distances[..., 2:]], -1) * strides


def anchors(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the anchor points of all scales, (A, 2) x, y in strides, and their strides, (A, 1)."""
    levels = [_level(feature, stride) for feature, stride in zip(features, STRIDES, strict=True)]
    points, strides = zip(*levels, strict=True)
    return torch.cat(points), torch.cat(strides)


def _level(feature: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    height, width = feature.shape[-2:]
    y, x = (torch.arange(n, dtype=torch.float32, device=feature.device) + 0.5 for n in (height, width))
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    points = torch.stack([grid_x.flatten(), grid_y.flatten()], -1)
    return points, torch.full_like(points[:, :1], stride)
