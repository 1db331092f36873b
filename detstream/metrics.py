"""How well detections agree with labels: COCO's average precision.

By faster-coco-eval, which gives pycocotools' figures (a test compares them) from the same code in C++; of the two it is
the one with releases all year round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError

_SUMMARY: Final = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
_ALL_SIZES: Final = 0
_AT_50: Final = 0
_AT_75: Final = 5


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """How well one class is found; average precision in [0, 1]."""

    ap: float
    """Mean over the overlaps 0.50, 0.55, … 0.95."""
    ap50: float
    """At an overlap of 0.5."""
    ap75: float
    objects: int
    """How many there are in the labels, crowds not counted."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """How well a model finds the objects of a data set; average precision in [0, 1], as COCO defines it."""

    map: float
    """Mean over classes, and over the overlaps 0.50, 0.55, … 0.95."""
    map50: float
    """Mean over classes, at an overlap of 0.5."""
    map75: float
    per_class: Mapping[str, ClassMetrics]
    """By name; a class of which the labels have no object has no average precision and is left out."""
    summary: Mapping[str, float | None]
    """COCO's twelve figures; None for a size of which there are no objects."""
    images: int
    objects: int
    """How many there are in the labels, crowds not counted."""
    speed: Mapping[str, float] = field(default_factory=dict)
    """Mean milliseconds a picture of `preprocess`, `inference` and `postprocess`, as in `Result.speed`."""

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as dictionaries and numbers."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Labels or detections of one picture."""

    xywh: NDArray[Any]
    """Shape (N, 4): left, top, width, height in pixels."""
    class_id: NDArray[Any]
    """Shape (N,)."""
    score: NDArray[Any] | None = None
    """Shape (N,); None for labels."""
    crowd: NDArray[np.bool_] | None = None
    """Shape (N,); None where none is a crowd."""
    area: NDArray[Any] | None = None
    """Shape (N,), pixels; of the boxes if None."""


def check_installed() -> None:
    """Raise ConfigError if the library for the metrics is missing."""
    if find_spec("faster_coco_eval") is None:
        raise ConfigError("val needs faster-coco-eval: pip install 'detstream[val]'")


def measure(
    names: Sequence[str], labels: Sequence[Boxes], found: Sequence[Boxes], speed: Mapping[str, float] | None = None
) -> Metrics:
    """Return how well the detections of pictures agree with their labels, picture by picture.

    Raises:
        ConfigError: faster-coco-eval is not installed.
    """
    check_installed()
    from faster_coco_eval import COCO, COCOeval_faster

    evaluator = COCOeval_faster(COCO(_coco(names, labels)), COCO(_coco(names, found)), "bbox")
    evaluator.run()
    precision = np.asarray(evaluator.eval["precision"])[..., _ALL_SIZES, -1]  # overlaps, recalls, classes
    counts = np.sum([np.bincount(_real(picture), minlength=len(names)) for picture in labels], axis=0)
    classes = {
        name: _of_class(precision[..., number], int(count))
        for number, (name, count) in enumerate(zip(names, counts, strict=True))
        if count
    }
    stats = [float(value) for value in evaluator.stats]
    summary = {name: None if value < 0 else value for name, value in zip(_SUMMARY, stats, strict=True)}
    mean, at_50, at_75 = stats[:3]
    return Metrics(mean, at_50, at_75, classes, summary, len(labels), int(counts.sum()), dict(speed or {}))


def _of_class(precision: NDArray[Any], objects: int) -> ClassMetrics:
    mean, at_50, at_75 = (float(np.mean(part)) for part in (precision, precision[_AT_50], precision[_AT_75]))
    return ClassMetrics(mean, at_50, at_75, objects)


def _real(picture: Boxes) -> NDArray[Any]:
    """Return the classes of the labels that are no crowds."""
    return picture.class_id if picture.crowd is None else picture.class_id[~picture.crowd]


def _coco(names: Sequence[str], pictures: Sequence[Boxes]) -> dict[str, Any]:
    """Return COCO's form, all ids from 1: 0 would mean `no match` inside the evaluation."""
    annotations: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures, 1):
        area = picture.xywh[:, 2] * picture.xywh[:, 3] if picture.area is None else picture.area
        crowd = np.zeros(len(area), np.bool_) if picture.crowd is None else picture.crowd
        score = np.ones(len(area)) if picture.score is None else picture.score
        columns = (picture.xywh, picture.class_id, area, crowd, score)
        for box, class_id, size, many, share in zip(*(column.tolist() for column in columns), strict=True):
            identity = {"id": len(annotations) + 1, "image_id": number, "category_id": class_id + 1}
            annotations.append(identity | {"bbox": box, "area": size, "iscrowd": int(many), "score": share})
    return {
        "images": [{"id": number} for number in range(1, len(pictures) + 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
        "annotations": annotations,
    }
