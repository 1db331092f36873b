"""How well a model finds the labelled objects of a data set."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Final, TypeAlias

import numpy as np
import structlog

from detstream.flow import Flow
from detstream.labels import Dataset
from detstream.metrics import Boxes, Metrics, check_installed, measure
from detstream.pictures import pictures
from detstream.result import Result
from detstream.sources import Listing
from pipeline.errors import ConfigError
from stages.detector.engine import Engine
from stages.detector.finder import Finder
from stages.detector.nms import Postprocess
from stages.detector.yolo_nas.card import ModelCard

CONF: Final = 0.01
IOU: Final = 0.7
TOP_K: Final = 1000
MAX_DET: Final = 300
"""As super-gradients measures YOLO-NAS: `valid_metrics_list` in its
`recipes/training_hyperparams/coco2017_yolo_nas_train_params.yaml`. What differs: it counts up to 300 detections of a
class a picture, COCO 100; it puts the picture at the canvas's upper left, here it is centred, as by its `predict`; it
clips boxes to the canvas, here they are clipped to the picture."""

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many pictures are done, and how many there are."""


def validate(
    engine: Engine,
    card: ModelCard,
    dataset: Dataset,
    *,
    conf: float = CONF,
    iou: float = IOU,
    progress: Progress | None = None,
) -> Metrics:
    """Look at all pictures of a data set and measure what was found; `card` is the engine's, perhaps with other names.

    Suppression is by class, an anchor may be of several classes, whatever the model's defaults for predicting are.

    Raises:
        ConfigError: the model and the data set have not the same classes, or faster-coco-eval is missing; at once.
        EngineError: the engine failed.
        SourceError: a picture can't be read.
    """
    check_installed()
    numbers = matched(card.class_names, dataset)
    wanted = None if len(numbers) == len(card.class_names) else frozenset(numbers)
    flow = Flow(engine, Finder(card, Postprocess(conf, iou, TOP_K, MAX_DET, classes=wanted)))
    # `single`: an average over some of the pictures would be no measure of the data set.
    listing = Listing([labelled.path for labelled in dataset.pictures], single=True)
    labels: list[Boxes] = []
    found: list[Boxes] = []
    spent: dict[str, float] = {}
    with closing(pictures(listing)) as read, closing(flow.results(read)) as results:
        for labelled, result in zip(dataset.pictures, results, strict=True):
            area = labelled.area
            labels.append(Boxes(labelled.boxes(*result.orig_shape), labelled.class_id, None, labelled.crowd, area))
            found.append(_found(result, numbers))
            spent = {name: spent.get(name, 0.0) + each for name, each in result.speed.items()}
            if progress is not None:
                progress(len(found), len(dataset.pictures))
    return measure(dataset.names, labels, found, {name: total / len(found) for name, total in spent.items()})


def matched(names: Sequence[str], dataset: Dataset) -> dict[int, int]:
    """Return the data set's number of each class of the model that it has: by name, or else by their order.

    The order counts only if there are as many, and no name says otherwise.

    Raises:
        ConfigError: they have not the same classes.
    """
    ours = {name: number for number, name in enumerate(names)}
    theirs = {name: number for number, name in enumerate(dataset.names)}
    by_name = {ours[name]: number for name, number in theirs.items() if name in ours}
    if len(by_name) == len(dataset.names):
        return by_name
    unknown = [name for name in dataset.names if name not in ours]
    if len(names) == len(dataset.names) and all(our == their for our, their in by_name.items()):
        structlog.get_logger().warning("classes matched by their order", data=unknown[:4], model=names[:4])
        return {number: number for number in range(len(dataset.names))}
    raise ConfigError(
        f"{dataset.file}: its class {unknown[0]!r} is none of the model's: it has {len(dataset.names)} classes "
        f"({_some(dataset.names)}), the model {len(names)} ({_some(names)})"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def _found(result: Result, numbers: Mapping[int, int]) -> Boxes:
    corners = result.xyxy.astype(np.float64)
    xywh = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
    class_id = np.array([numbers[number] for number in result.class_id.tolist()], np.int64)
    return Boxes(xywh, class_id, result.confidence.astype(np.float64))
