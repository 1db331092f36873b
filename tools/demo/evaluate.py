"""How well the detections of held-out frames agree with their labels."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from stages.detector.letterbox import Letterbox
from stages.detector.nms import Found, Postprocess
from stages.detector.yolo_nas.card import ModelCard
from stages.detector.yolo_nas.model import YoloNas
from tools.demo.labels import Boxes, Image, Labelled

Floats = NDArray[np.float64]
LOWEST = 0.01
"""Detections below this confidence don't count for the average precision."""


def detect(network: YoloNas, card: ModelCard, image: Image, conf: float) -> Found:
    """Return the objects of a frame, BGR uint8 (H, W, 3), boxes clipped to it; suppression as the card says."""
    height, width = image.shape[:2]
    letterbox = Letterbox(card.input_size)
    canvas = letterbox.apply(image, width, height)
    tensor = torch.from_numpy(canvas[None, :, :, ::-1].copy()).permute(0, 3, 1, 2).float() / 255.0
    with torch.inference_mode():
        boxes, scores = network(tensor)
    found = Postprocess(conf, card.iou, class_agnostic=card.class_agnostic)(boxes[0].numpy(), scores[0].numpy())
    restored = letterbox.restore(found.xyxy, width, height)
    return Found(restored.clip(0, [width, height, width, height]), found.confidence, found.class_id)


def precisions(network: YoloNas, card: ModelCard, frames: Sequence[Labelled], iou: float = 0.5) -> dict[str, float]:
    """Return the average precision of each class of the card over the labelled frames."""
    found = [detect(network, card, frame.image, LOWEST) for frame in frames]
    names = enumerate(card.class_names)
    return {name: average_precision(found, frames, class_id, iou) for class_id, name in names}


def average_precision(found: Sequence[Found], frames: Sequence[Labelled], class_id: int, iou: float = 0.5) -> float:
    """Return the area under the precision-recall curve (all points) of one class over all frames; 0 without labels."""
    scores: list[float] = []
    hits: list[bool] = []
    total = 0
    for one, frame in zip(found, frames, strict=True):
        labels = frame.boxes if frame.class_id == class_id else frame.boxes[:0]
        total += len(labels)
        mine = one.class_id == class_id
        order = np.argsort(-one.confidence[mine], kind="stable")
        scores += one.confidence[mine][order].tolist()
        hits += _matches(one.xyxy[mine][order], labels, iou)
    return _area(np.array(scores), np.array(hits, bool), total) if total else 0.0


def _matches(boxes: Boxes, labels: Boxes, iou: float) -> list[bool]:
    """Tell which boxes, best first, hit a label that no better box has hit."""
    overlaps = pairwise_iou(boxes, labels)
    hits = []
    for row in overlaps:
        best = int(row.argmax()) if row.size else -1
        hits.append(best >= 0 and bool(row[best] >= iou))
        if hits[-1]:
            overlaps[:, best] = -1.0
    return hits


def pairwise_iou(a: Boxes, b: Boxes) -> Floats:
    """Return the intersection over union of every box of ``a`` (N, 4) with every one of ``b`` (M, 4), shape (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clip(0).prod(-1)
    area_a, area_b = ((x[:, 2:] - x[:, :2]).prod(-1) for x in (a, b))
    return np.asarray(shared / (area_a[:, None] + area_b[None] - shared + 1e-9), np.float64)


def _area(scores: Floats, hits: NDArray[np.bool_], total: int) -> float:
    ranked = hits[np.argsort(-scores, kind="stable")]
    true = np.cumsum(ranked)
    precision = true / np.arange(1, len(ranked) + 1)
    best_beyond = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best_beyond * ranked).sum() / total)
