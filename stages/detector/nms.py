"""From the boxes of all anchors to the few that are objects.

The rules are those of super-gradients 3.7.1 (``pp_yolo_e/post_prediction_callback.py``) over torchvision's CPU NMS, but
truly per class: torchvision shifts each class by the largest coordinate, which lets boxes with negative coordinates
suppress those of another class.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_BLOCK: Final = 64
"""Rows that are compared with each other, then with the rest; fewer are more turns, more are needless comparisons."""

_WHOLE: Final = 2 * _BLOCK
"""So few rows are one block: a second turn would cost more than it saves."""

_BEFORE: Final = np.tri(_WHOLE, k=-1, dtype=np.bool_).T
"""Whether a row of a block comes before a column."""

_WORD: Final = 8
"""Flags that are looked at together."""


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
    """Of two boxes that overlap by more, the lesser is dropped; 0 or more."""
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
            anchor, class_id = np.divmod(_true(scores > self.conf), scores.shape[1])
        else:
            # The few rows with any such score first: the best of each of them costs more than all comparisons.
            anchor = np.unique(_true(scores >= self.conf) // scores.shape[1])
            anchor = anchor[scores[anchor].max(axis=1) >= self.conf]
            class_id = scores[anchor].argmax(axis=1)
        if self.classes is not None:
            wanted = np.isin(class_id, list(self.classes))
            anchor, class_id = anchor[wanted], class_id[wanted]
        return anchor, class_id, scores[anchor, class_id]


def _true(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return `np.flatnonzero`; for few among many in half its time, as it looks at eight of them at once."""
    flat = flags.reshape(-1)
    if flat.size % _WORD:
        return np.flatnonzero(flat)
    words = np.flatnonzero(flat.view(np.uint64) != 0)
    within = np.flatnonzero(flat.reshape(-1, _WORD)[words])
    return words[within // _WORD] * _WORD + within % _WORD


def _suppress(xyxy: NDArray[np.float32], groups: NDArray[np.intp], iou: float, most: int) -> NDArray[np.intp]:
    """Return the first ``most`` rows, sorted best first, that no better kept row of their group overlaps.

    A block of the best rows left at a time: first what it keeps of itself, then what that leaves of the rest.
    """
    rows = np.arange(len(xyxy))
    facts = _facts(xyxy, groups)
    kept: list[NDArray[np.intp]] = [rows[:0]]
    limit, count = _float32_below(iou), 0
    with np.errstate(divide="ignore", invalid="ignore"):  # boxes without area
        while len(rows) and count < most:
            size = len(rows) if len(rows) <= _WHOLE else _BLOCK
            block, rows = rows[:size], rows[size:]
            ours, facts = facts[:, :size], facts[:, size:]
            first = _first_come(_rivals(ours, ours, limit) & _BEFORE[:size, :size])
            kept.append(block[first])
            count += len(kept[-1])
            if len(rows):
                free = ~_rivals(ours.compress(first, axis=1), facts, limit).any(axis=0)
                rows, facts = rows[free], facts.compress(free, axis=1)  # in a third of the time of facts[:, free]
    return np.concatenate(kept)[:most]


def _facts(xyxy: NDArray[np.float32], groups: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return corners, area and group of boxes in one array (6, N): to leave some out is one step then."""
    facts = np.empty((6, len(xyxy)), np.float32)
    facts[:4] = xyxy.T
    facts[4] = (facts[2] - facts[0]) * (facts[3] - facts[1])
    facts[5] = groups
    return facts


def _first_come(suppresses: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return who is left, shape (N,), where a row that is left suppresses others, (N, N), all of them after it.

    Each turn settles at least one more row for good; most blocks need two or three.
    """
    alive: NDArray[np.bool_] = np.logical_not(suppresses.any(axis=0))
    while True:
        # Who lives if just those who seemed to live suppress; unchanged means that it is true of everyone.
        again: NDArray[np.bool_] = np.logical_not(suppresses.compress(alive, axis=0).any(axis=0))
        if (again == alive).all():
            return alive
        alive = again


def _rivals(ours: NDArray[np.float32], theirs: NDArray[np.float32], limit: np.float32) -> NDArray[np.bool_]:
    """Return which of our boxes (6, R) and of theirs (6, O) overlap by more than the limit and are of one group."""
    ours = ours[:, :, None]
    width = np.minimum(ours[2], theirs[2])
    width -= np.maximum(ours[0], theirs[0])
    height = np.minimum(ours[3], theirs[3])
    height -= np.maximum(ours[1], theirs[1])
    # Asked rather than made at least 0: numpy takes four times as long to compare an array with a number.
    overlap: NDArray[np.bool_] = width > 0
    overlap &= height > 0
    overlap &= ours[5] == theirs[5]
    both = np.multiply(width, height, out=width)
    union = np.add(ours[4], theirs[4], out=height)
    union -= both
    both /= union
    overlap &= both > limit  # never where it is not a number: both boxes are empty
    return overlap


def _float32_below(value: float) -> np.float32:
    """Return the greatest float32 that is not above a float.

    The reference compares a float32 overlap with a float64 threshold; this one has the same numbers above it.
    """
    near = np.float32(value)
    return np.nextafter(near, np.float32(-np.inf)) if float(near) > value else near
