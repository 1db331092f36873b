"""Made-up detections in made-up pictures."""

import numpy as np

from pipeline.frame import Planar
from pipeline.messages import Detections, FrameMeta
from stages.decoder.picture import from_bgr
from tests.stages.decoder.videos import numbered


def meta(seq: int, pts_s: float | None = None, size: tuple[int, int] = (64, 48)) -> FrameMeta:
    at = seq / 12.5 if pts_s is None else pts_s
    return FrameMeta("gate", 0, seq, at, *size, timestamp_s=1524177960 + at)


def found(seq: int, pts_s: float | None = None, objects: int = 2, size: tuple[int, int] = (64, 48)) -> Detections:
    """Return detections that depend on `seq` only."""
    numbers = np.random.default_rng(seq)
    corner = numbers.uniform(0, 20, (objects, 2))
    return Detections(
        frame=meta(seq, pts_s, size),
        xyxy=np.hstack([corner, corner + 20]).round(2).astype(np.float32),
        confidence=np.sort(numbers.uniform(0, 1, objects)).round(4).astype(np.float32)[::-1].copy(),
        class_id=np.arange(objects, dtype=np.int32) % 2,
        class_name=tuple(("car", "person")[number % 2] for number in range(objects)),
        tracker_id=np.arange(objects, dtype=np.int64) - 1,
    )


def failed(seq: int) -> Detections:
    return Detections.failed(meta(seq), "can't be decoded")


def image(seq: int) -> Planar:
    return from_bgr(numbered(seq))
