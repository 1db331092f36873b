"""The figures are pycocotools' own."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detstream.metrics import Boxes, _coco, measure

NAMES = ("person", "car", "never seen")


def boxes(*rows: tuple[float, float, float, float, int], score: float | None = None) -> Boxes:
    table = np.array(rows, np.float64).reshape(-1, 5)
    scores = None if score is None else np.full(len(table), score)
    return Boxes(table[:, :4], table[:, 4].astype(np.int64), scores)


def scene(seed: int) -> tuple[list[Boxes], list[Boxes]]:
    """Return labels, crowds and empty pictures among them, and detections: shifted, doubled, missed, made up."""
    random = np.random.default_rng(seed)
    labels, found = [], []
    for _ in range(25):
        count = int(random.integers(0, 9))
        xywh = np.hstack([random.uniform(0, 400, (count, 2)), random.uniform(4, 200, (count, 2))])
        class_id = random.integers(0, 2, count)
        area = xywh[:, 2] * xywh[:, 3] * random.uniform(0.5, 1, count)
        labels.append(Boxes(xywh, class_id, None, random.random(count) < 0.15, area))
        seen = np.repeat(np.arange(count), random.integers(0, 3, count))
        extra = np.hstack([random.uniform(0, 400, (3, 2)), random.uniform(4, 200, (3, 2))])
        moved = xywh[seen] * random.uniform(0.9, 1.1, (len(seen), 4))
        classes = np.concatenate([class_id[seen], random.integers(0, 3, 3)])
        scores = random.random(len(classes)).round(2)
        found.append(Boxes(np.vstack([moved, extra]), classes, scores))
    return labels, found


def by_pycocotools(labels: list[Boxes], found: list[Boxes]) -> tuple[list[float], np.ndarray]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = _coco(NAMES, labels)
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(_coco(NAMES, found)["annotations"]), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator.stats.tolist(), evaluator.eval["precision"]


@pytest.mark.parametrize("seed", range(4))
def test_figures_are_those_of_pycocotools(seed: int) -> None:
    labels, found = scene(seed)
    stats, precision = by_pycocotools(labels, found)
    metrics = measure(NAMES, labels, found)
    ours = [-1 if value is None else value for value in metrics.summary.values()]
    assert ours == pytest.approx(stats, abs=1e-12)
    assert (metrics.map, metrics.map50, metrics.map75) == pytest.approx(stats[:3], abs=1e-12)
    assert 0.05 < metrics.map < metrics.map50 < 0.95
    for number, name in enumerate(NAMES[:2]):
        of_class = precision[:, :, number, 0, 2]
        expected = (of_class.mean(), of_class[0].mean(), of_class[5].mean())
        measured = metrics.per_class[name]
        assert (measured.ap, measured.ap50, measured.ap75) == pytest.approx(expected, abs=1e-12)


def test_a_perfect_detector_gets_1() -> None:
    labels = [boxes((0, 0, 10, 10, 0), (50, 50, 120, 10, 1)), boxes(), boxes((5, 5, 40, 40, 1))]
    found = [Boxes(picture.xywh, picture.class_id, np.full(len(picture.class_id), 0.3)) for picture in labels]
    metrics = measure(NAMES, labels, found)
    assert (metrics.map, metrics.map50, metrics.map75) == pytest.approx((1, 1, 1))
    assert [of.ap for of in metrics.per_class.values()] == pytest.approx([1, 1])
    assert {name: of.objects for name, of in metrics.per_class.items()} == {"person": 1, "car": 2}
    assert (metrics.images, metrics.objects) == (3, 3)


def test_a_detector_that_finds_nothing_gets_0() -> None:
    metrics = measure(NAMES, [boxes((0, 0, 10, 10, 0)), boxes()], [boxes(), boxes()])
    assert (metrics.map, metrics.map50, metrics.map75) == (0, 0, 0)
    assert {name: of.ap for name, of in metrics.per_class.items()} == {"person": 0}


def test_half_of_the_objects_found_is_half_the_precision() -> None:
    labels = [boxes((0, 0, 10, 10, 0)), boxes((0, 0, 10, 10, 0))]
    found = [boxes((0, 0, 10, 10, 0), score=0.9), boxes()]
    # 51 of the 101 recalls, 0.00 to 0.50, are reached.
    assert measure(NAMES, labels, found).map == pytest.approx(51 / 101)


def test_a_box_that_covers_60_percent_counts_at_50_only() -> None:
    metrics = measure(NAMES, [boxes((0, 0, 10, 10, 0))], [boxes((0, 0, 10, 6.2, 0), score=0.9)])
    assert (metrics.map50, metrics.map75, metrics.map) == pytest.approx((1, 0, 0.3))


def test_what_is_found_in_a_crowd_counts_neither_way() -> None:
    crowd = Boxes(np.array([[0, 0, 10, 10], [100, 100, 90, 90]]), np.array([0, 0]), None, crowd=np.array([False, True]))
    inside = boxes((0, 0, 10, 10, 0), (110, 110, 20, 20, 0), (140, 140, 20, 20, 0), score=0.9)
    metrics = measure(NAMES, [crowd], [inside])
    assert metrics.map == pytest.approx(1)
    assert metrics.objects == 1


def test_all_of_it_is_plain_numbers() -> None:
    told = measure(NAMES, [boxes((0, 0, 10, 10, 0))], [boxes()], {"inference": 2.5}).to_dict()
    assert told["per_class"] == {"person": {"ap": 0.0, "ap50": 0.0, "ap75": 0.0, "objects": 1}}
    assert told["speed"] == {"inference": 2.5}
    assert told["summary"]["APl"] is None
