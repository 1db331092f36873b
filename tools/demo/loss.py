"""The loss of PP-YOLOE (arXiv 2203.16250), which YOLO-NAS is trained with; assignment of TOOD (arXiv 2108.07755)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from stages.detector.yolo_nas.heads import Predictions

TOP_K, ALPHA, BETA = 13, 1.0, 6.0
CLASS_WEIGHT, BOX_WEIGHT, BINS_WEIGHT = 1.0, 2.5, 0.5
EPSILON = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The objects of one picture."""

    boxes: Tensor
    """(N, 4) xyxy, pixels of the network's input."""
    classes: Tensor
    """(N,) int64."""


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """What each of the A anchors of one picture shall say."""

    scores: Tensor
    """(A, C) in [0, 1]: how good the anchor's box is, for the class of its object."""
    boxes: Tensor
    """(A, 4) xyxy; meaningless where no score is above 0."""


def loss(found: Predictions, targets: Sequence[Targets]) -> Tensor:
    """Return the loss of a batch; pictures without objects push all their scores down."""
    assigned = [
        assign(scores, boxes, found.points, target)
        for scores, boxes, target in zip(
            found.class_logits.detach().sigmoid(), found.boxes.detach(), targets, strict=True
        )
    ]
    scores = torch.stack([one.scores for one in assigned])
    boxes = torch.stack([one.boxes for one in assigned])
    total = scores.sum().clamp(min=1)
    return (CLASS_WEIGHT * _varifocal(found.class_logits, scores) + _regression(found, scores.sum(-1), boxes)) / total


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, points: Tensor, target: Targets) -> Assigned:
    """Give each object the anchors whose score and box fit it best; an anchor wanted by two goes to the better fit."""
    wanted = Assigned(torch.zeros_like(scores), torch.zeros_like(boxes))
    if not len(target.boxes):
        return wanted
    overlap = iou(target.boxes[:, None], boxes[None])
    alignment = scores.T[target.classes] ** ALPHA * overlap**BETA * _inside(points, target.boxes)
    best, index = alignment.topk(min(TOP_K, len(points)), dim=1)
    chosen = torch.zeros_like(alignment).scatter_(1, index, (best > 0).to(alignment.dtype))
    owner = (chosen * (overlap + EPSILON)).argmax(0)
    chosen *= functional.one_hot(owner, len(target.boxes)).T
    alignment = alignment * chosen
    quality = alignment / (alignment.amax(1, keepdim=True) + EPSILON) * (overlap * chosen).amax(1, keepdim=True)
    anchors = torch.arange(len(points))
    wanted.scores[anchors, target.classes[owner]] = quality[owner, anchors]
    wanted.boxes.copy_(target.boxes[owner])
    return wanted


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    left_top = points[None] - boxes[:, None, :2]
    right_bottom = boxes[:, None, 2:] - points[None]
    return torch.cat([left_top, right_bottom], -1).amin(-1) > 0


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union of boxes xyxy, (..., 4) each, broadcast."""
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    shared = sides.prod(-1)
    return shared / (_area(a) + _area(b) - shared + EPSILON)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)


def _varifocal(logits: Tensor, wanted: Tensor) -> Tensor:
    """Sum of the varifocal loss (arXiv 2008.13367), alpha 0.75, gamma 2."""
    weight = torch.where(wanted > 0, wanted, 0.75 * logits.detach().sigmoid() ** 2)
    crossed = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (weight * crossed).sum()


def _regression(found: Predictions, weight: Tensor, wanted: Tensor) -> Tensor:
    positive = weight > 0
    boxes, weight, target = found.boxes[positive], weight[positive], wanted[positive]
    overlap = BOX_WEIGHT * (_giou_loss(boxes, target) * weight).sum()
    points = found.points.expand(len(wanted), -1, -1)[positive]
    strides = found.strides.expand(len(wanted), -1, -1)[positive]
    distances = torch.cat([points - target[:, :2], target[:, 2:] - points], -1) / strides
    return overlap + BINS_WEIGHT * (_bins_loss(found.box_logits[positive], distances) * weight).sum()


def _giou_loss(boxes: Tensor, target: Tensor) -> Tensor:
    hull = torch.maximum(boxes[:, 2:], target[:, 2:]) - torch.minimum(boxes[:, :2], target[:, :2])
    hull_area = hull.prod(-1) + EPSILON
    overlap = iou(boxes, target)
    union = (_area(boxes) + _area(target)) / (1 + overlap)
    return 1 - overlap + (hull_area - union) / hull_area


def _bins_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Distribution focal loss (arXiv 2006.04388): cross entropy with the two bins beside the true distance."""
    bins = logits.reshape(len(logits), 4, logits.shape[-1] // 4)
    last = bins.shape[-1] - 1
    distances = distances.clamp(0, last - 0.01)
    low = distances.floor().long()
    share = distances - low
    log_p = bins.log_softmax(-1)
    at_low, at_high = (log_p.gather(-1, at[..., None]).squeeze(-1) for at in (low, low + 1))
    return torch.lerp(at_low, at_high, share).mean(-1).neg()
