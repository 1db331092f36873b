"""Milliseconds from a network's boxes and scores to objects: ours, and the same work by `cv2.dnn.NMSBoxes`.

    python -m benchmarks.nms

Both filter the scores of 8400 anchors and 80 classes, suppress by class, and keep at most 300. OpenCV knows no classes
in this call, so boxes of each are moved to a place of their own, as is usual.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.report import ratios, save, show, spread
from stages.detector.nms import Postprocess

_ANCHORS: Final = 8400
_CLASSES: Final = 80
_CANVAS: Final = 640
_FAR: Final = 4096
"""Further than any two boxes of one class are apart."""
_BOXES_AN_OBJECT: Final = 12
_CONF: Final = 0.25
_IOU: Final = 0.7
_TOP_K: Final = 1024
_MOST: Final = 300

Way = Callable[[], int]
"""Does the work once and returns how many objects are left."""


def main() -> None:
    """Measure, print tables, write JSON."""
    options = _options()
    cv2.setNumThreads(1)
    results = {str(count): _measure(count, options) for count in options.candidates}
    settings = {"conf": _CONF, "iou": _IOU, "top_k": _TOP_K, "max_detections": _MOST}
    save(options.json, {"benchmark": "nms", "settings": settings, "candidates": results})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--candidates", type=int, nargs="+", default=[30, 300, 2000])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=20, help="a round of one way")
    parser.add_argument("--json", type=Path, default=Path("out/benchmarks/nms.json"))
    return parser.parse_args()


def _measure(candidates: int, options: argparse.Namespace) -> dict[str, Any]:
    boxes, scores = _scene(candidates)
    ways = _ways(boxes, scores)
    left = {name: way() for name, way in ways.items()}
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            took[name].append(_milliseconds(way, options.repeats))
    rows = {name: spread(values) for name, values in took.items()}
    over = {f"ours / {name}": ratios(took["ours"], values) for name, values in took.items() if "cv2" in name}
    counts = ", ".join(f"{name} {count}" for name, count in left.items())
    show(f"{candidates} candidates: milliseconds; objects left: {counts}", rows)
    show("ratios within a round", over)
    return {"ms": rows, "ratios": over, "left": left}


def _scene(candidates: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return boxes (A, 4) and scores (A, C), of which so many are above the threshold, in heaps around objects."""
    random = np.random.default_rng(candidates)
    objects = max(1, candidates // _BOXES_AN_OBJECT)
    centre, side = random.uniform(0, _CANVAS, (_ANCHORS, 2)), random.uniform(10, 100, (_ANCHORS, 2))
    scores = random.uniform(0, _CONF * 0.8, (_ANCHORS, _CLASSES))
    anchor = random.choice(_ANCHORS, candidates, replace=False)
    of = random.integers(0, objects, candidates)
    centre[anchor] = random.uniform(50, _CANVAS - 50, (objects, 2))[of] + random.normal(0, 4, (candidates, 2))
    side[anchor] = random.uniform(20, 200, (objects, 2))[of] * random.uniform(0.85, 1.15, (candidates, 2))
    scores[anchor, random.integers(0, _CLASSES, objects)[of]] = random.uniform(_CONF + 0.05, 0.95, candidates)
    return np.hstack([centre - side / 2, centre + side / 2]).astype(np.float32), scores.astype(np.float32)


def _ways(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> dict[str, Way]:
    ours, single = (Postprocess(_CONF, _IOU, _TOP_K, _MOST, multi_label=several) for several in (True, False))
    return {
        "ours": lambda: len(ours(boxes, scores).class_id),
        "cv2": lambda: _by_opencv(boxes, scores, 0),
        f"cv2, top {_TOP_K}": lambda: _by_opencv(boxes, scores, _TOP_K),
        "ours, one class an anchor": lambda: len(single(boxes, scores).class_id),
        "the score filter alone": lambda: len(np.flatnonzero(scores > _CONF)),
    }


def _by_opencv(boxes: NDArray[np.float32], scores: NDArray[np.float32], top_k: int) -> int:
    """Do what `Postprocess` does, all but exactly: OpenCV computes overlaps in other precision."""
    anchor, class_id = np.divmod(np.flatnonzero(scores > _CONF), scores.shape[1])
    score = scores[anchor, class_id]
    xywh = boxes[anchor] + (class_id * np.float32(_FAR))[:, None]
    xywh[:, 2:] -= xywh[:, :2]
    kept = np.asarray(cv2.dnn.NMSBoxes(xywh, score, _CONF, _IOU, top_k=top_k), np.intp)[:_MOST]  # type: ignore[arg-type]
    found = boxes[anchor][kept], score[kept], class_id[kept].astype(np.int32)
    return len(found[0])


def _milliseconds(way: Way, repeats: int) -> float:
    begun_s = time.perf_counter()
    for _ in range(repeats):
        way()
    return (time.perf_counter() - begun_s) * 1e3 / repeats


if __name__ == "__main__":
    main()
