"""Which objects and events somebody wants to see."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import numpy as np

from pipeline.client.items import FrameDetections, Item
from pipeline.client.where import Where
from pipeline.messages import Event

T = TypeVar("T", bound=Item)

_OF_BOTH: Final = frozenset(
    "source seq pts_s timestamp_s class_name class_id confidence tracker_id x1 y1 x2 y2 width height area".split()
)
NAMES: Final = _OF_BOTH | {"frame_width", "frame_height"}
"""What an expression about objects may name; sizes in pixels."""
EVENT_NAMES: Final = _OF_BOTH | {"kind", "zone", "direction", "value", "duration_s"}
"""What an expression about events may name."""


class Choice:
    """Keeps objects of some classes, for which an expression holds.

    Raises:
        ConfigError: the expression is none.
    """

    def __init__(
        self, classes: frozenset[str] | None = None, where: str | None = None, *, events: bool = False
    ) -> None:
        """`classes`: names or numbers, None for all. `events`: whether `where` is about events."""
        self._classes = classes
        self._where = None if where is None else Where(where, EVENT_NAMES if events else NAMES)

    def of(self, item: T) -> T | None:
        """Return an item with the objects that are wanted, None if none of a frame's is; other items are returned."""
        if self._classes is None and self._where is None:
            return item
        if isinstance(item, FrameDetections):
            wanted = np.array([self._wants(row) for row in _rows(item)], np.bool_)
            return item[wanted] if wanted.any() else None  # type: ignore[return-value]
        if isinstance(item, Event):
            return item if self._wants(_event_row(item)) else None
        return item

    def _wants(self, row: Mapping[str, Any]) -> bool:
        if self._classes is not None and not {str(row["class_name"]), str(row["class_id"])} & self._classes:
            return False
        return self._where is None or self._where(row)


def _rows(frame: FrameDetections) -> Iterator[dict[str, Any]]:
    meta = frame.detections.frame
    same = {name: getattr(meta, name) for name in ("source", "seq", "pts_s", "timestamp_s")}
    same |= {"frame_width": meta.width, "frame_height": meta.height}
    tracks = [None if number < 0 else number for number in frame.tracker_id.tolist()]
    columns = (frame.class_name, frame.class_id.tolist(), frame.confidence.tolist(), tracks, frame.xyxy.tolist())
    for name, number, confidence, track, box in zip(*columns, strict=True):
        found = {"class_name": name, "class_id": number, "confidence": confidence, "tracker_id": track}
        yield same | found | _sizes(box)


def _event_row(event: Event) -> dict[str, Any]:
    box = dict.fromkeys(("x1", "y1", "x2", "y2", "width", "height", "area"))
    plain = {name: getattr(event, name) for name in EVENT_NAMES - box.keys()}
    return plain | (box if event.xyxy is None else _sizes(event.xyxy))


def _sizes(box: Any) -> dict[str, float]:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    return {"x1": left, "y1": top, "x2": right, "y2": bottom, "width": width, "height": height, "area": width * height}
