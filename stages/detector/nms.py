"""From the boxes of all anchors to the few that are objects.

The rules are those of super-gradients 3.7.1 (``pp_yolo_e/post_prediction_callback.py``) over torchvision's CPU NMS, but
truly per class: torchvision shifts each class by the largest coordinate, which lets boxes with negative coordinates
suppress those of another class.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Objects on one canvas, best first."""

    xyxy: NDArray[np.float32]
    """Boxes, shape (N, 4), pixels of the network's input, not clipped."""
    confidence: NDArray[np.float32]
    """In [0, 1], shape (N,)."""
    class_id: NDArray[np.int32]
    """Shape (N,)."""


@dataclass(frozen=True, slots=True)
class Postprocess:
    """Picks objects: score threshold, the best ``top_k``, non-maximum suppression, the best ``max_detections``."""

    conf: float
    """Smallest score; excluded with ``multi_label``, included without."""
    iou: float
    """Of two boxes that overlap by more, the lesser is dropped."""
    top_k: int = 1024
    max_detections: int = 300
    multi_label: bool = True
    """Whether one anchor may be an object of several classes, or of its best class only."""
    class_agnostic: bool = False
    """Whether boxes of different classes suppress each other."""
    classes: Collection[int] | None = None
    """Class ids to look for; None for all."""

    def __call__(self, boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> Found:
        """Return the objects among boxes (A, 4), xyxy in input pixels, with scores (A, C)."""
        anchor, class_id, score = self._candidates(scores)
        best = np.argsort(-score, kind="stable")[: self.top_k]
        anchor, class_id, score = anchor[best], class_id[best], score[best]
        xyxy = boxes[anchor]
        groups = np.zeros_like(class_id) if self.class_agnostic else class_id
        kept = _suppress(xyxy, groups, self.iou, self.max_detections)
        return Found(xyxy[kept], score[kept], class_id[kept].astype(np.int32))

    def _candidates(
        self, scores: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        """Return anchor, class and score of all that may be objects, by anchor, then class."""
        if self.multi_label:
            flat = np.flatnonzero(scores > self.conf)
            anchor, class_id = np.divmod(flat, scores.shape[1])
        else:
            best = scores.max(axis=1)
            anchor = np.flatnonzero(best >= self.conf)
            class_id = scores[anchor].argmax(axis=1)
        if self.classes is not None:
            wanted = np.isin(class_id, list(self.classes))
            anchor, class_id = anchor[wanted], class_id[wanted]
        return anchor, class_id, scores[anchor, class_id]


def _suppress(xyxy: NDArray[np.float32], groups: NDArray[np.intp], iou: float, most: int) -> list[int]:
    """Return the first ``most`` rows, sorted best first, that no better kept row of their group overlaps."""
    columns = np.ascontiguousarray(xyxy.T)
    areas = (columns[2] - columns[0]) * (columns[3] - columns[1])
    alive = np.ones(len(xyxy), bool)
    # The reference compares a float32 overlap with a float64 threshold; a plain float would be rounded to float32.
    threshold = np.float64(iou)
    kept: list[int] = []
    for row in range(len(xyxy)):
        if not alive[row]:
            continue
        kept.append(row)
        if len(kept) == most:
            break
        rest = slice(row + 1, None)
        overlaps = _overlap(columns[:, row], areas[row], columns[:, rest], areas[rest])
        alive[rest] &= ~((overlaps > threshold) & (groups[rest] == groups[row]))
    return kept


def _overlap(
    box: NDArray[np.float32], area: np.float32, others: NDArray[np.float32], areas: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the intersection over union of one box with others (4, N); not a number where both are empty."""
    low = np.maximum(others[:2], box[:2, None])
    high = np.minimum(others[2:], box[2:, None])
    width, height = np.maximum(high - low, 0)
    both = width * height
    with np.errstate(divide="ignore", invalid="ignore"):
        overlap: NDArray[np.float32] = both / (area + areas - both)
    return overlap
