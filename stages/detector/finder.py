"""From a frame to the network's canvas, and from the network's answer to detections of the frame."""

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError
from pipeline.frame import Frame
from pipeline.messages import Detections
from stages.detector.engine import RawBoxes
from stages.detector.letterbox import Letterbox
from stages.detector.nms import Postprocess
from stages.detector.yolo_nas.card import ModelCard

_BOX_DECIMALS: Final = 2
_CONFIDENCE_DECIMALS: Final = 4


class Finder:
    """What surrounds the engine, for one model and one set of thresholds."""

    def __init__(self, card: ModelCard, postprocess: Postprocess) -> None:
        self._names = card.class_names
        self._letterbox = Letterbox(card.input_size)
        self._postprocess = postprocess

    def canvas(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the network's input, BGR uint8 (H, W, 3)."""
        left, top, right, bottom = frame.meta.region
        return self._letterbox.apply(frame.image, right - left, bottom - top)

    def find(self, frame: Frame, raw: RawBoxes, inferred_ns: int) -> Detections:
        """Return the objects in a frame, clipped to what is looked at of it, and rounded.

        Rounded here and once, so that an output file holds exactly what the tracker saw: it can be replayed from it.
        """
        found = self._postprocess(raw.boxes, raw.scores)
        meta = frame.meta
        if not np.isfinite(found.xyxy).all():
            return Detections.failed(meta, "the network's boxes are no numbers: its weights are damaged")
        left, top, right, bottom = meta.region
        xyxy = self._letterbox.restore(found.xyxy, right - left, bottom - top) + np.array([left, top] * 2, np.float32)
        xyxy = xyxy.clip(*np.array([[left, top] * 2, [right, bottom] * 2], np.float32)).round(_BOX_DECIMALS)
        return Detections(
            frame=meta,
            xyxy=xyxy.astype(np.float32),
            confidence=found.confidence.round(_CONFIDENCE_DECIMALS).astype(np.float32),
            class_id=found.class_id.astype(np.int32),
            class_name=tuple(self._names[number] for number in found.class_id),
            tracker_id=np.full(len(found.class_id), -1, np.int64),
            inferred_ns=inferred_ns,
        )


def class_ids(wanted: Collection[int | str] | None, card: ModelCard) -> frozenset[int] | None:
    """Return the numbers of the classes that are wanted by number or name, None for all.

    Raises:
        ConfigError: the model has no such class.
    """
    if wanted is None:
        return None
    numbers = {name: number for number, name in enumerate(card.class_names)}
    try:
        return frozenset(numbers[str(item)] if str(item) in numbers else _number(item, card) for item in wanted)
    except ValueError as error:
        listed = ", ".join(f"{number} {name}" for name, number in list(numbers.items())[:20])
        raise ConfigError(f"classes: the model has no class {error.args[0]!r}; it has: {listed}") from error


def _number(item: int | str, card: ModelCard) -> int:
    if not str(item).isdecimal() or int(item) >= len(card.class_names):
        raise ValueError(item)
    return int(item)
