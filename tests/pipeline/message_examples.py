"""One message of every kind, for the golden bytes and for mutations; and how to compare two."""

from dataclasses import fields, replace
from typing import Any, Final

import numpy as np

from pipeline.messages import (
    Detections,
    EndOfSource,
    Event,
    FrameMeta,
    Message,
    MinuteCounts,
    MinuteRow,
    SourceState,
    Turn,
    ZoneCount,
)

FRAME: Final = FrameMeta(
    source="car-park",
    epoch=2,
    seq=41,
    pts_s=1.64,
    width=1920,
    height=1080,
    timestamp_s=1_700_000_000.5,
    captured_ns=1_700_000_000_500_000_000,
    decoded_ns=1_700_000_000_512_345_678,
)
FOUND: Final = Detections(
    frame=FRAME,
    xyxy=np.array([[10.5, 20.25, 110.0, 220.0], [0.1, 0.2, 1919.9, 1079.8]], np.float32),
    confidence=np.array([0.9, 0.4], np.float32),
    class_id=np.array([2, 0], np.int32),
    class_name=("car", "pérson"),
    tracker_id=np.array([7, -1], np.int64),
    inferred_ns=1_700_000_000_520_000_000,
    published_ns=1_700_000_000_530_000_000,
)
INTERNAL: Final[dict[str, Message]] = {
    "frame": FRAME,
    "frame-bare": FrameMeta("a", 0, 0, 0.0, 1, 1),
    "detections": FOUND,
    "detections-none": Detections.none(FRAME),
    "detections-failed": Detections.failed(FRAME, "the engine refused it"),
    "end": EndOfSource("car-park", 2, 42),
    "frame-live": replace(FRAME, previous=37, corrupt=True, roi=(320, 0, 1280, 720)),
    "detections-skipped": replace(Detections.none(FRAME), skipped="motion"),
    "turn": Turn(),
    "state": SourceState("gate", 3, "failed", 5, "auth", "wrong user name or password", 2, 400, 7, 300, 80, 24.9),
    "end-early": EndOfSource("car-park", 2, 42, "the camera is gone"),
}
CROSSED: Final = Event(
    id="car-park/1700000000500-41-0",
    kind="crossed",
    source="car-park",
    epoch=2,
    seq=41,
    pts_s=1.64,
    timestamp_s=1_700_000_000.5,
    tracker_id=7,
    class_id=2,
    class_name="car",
    confidence=0.9,
    xyxy=(10.5, 20.25, 110.0, 220.0),
    zone="entrance",
    direction="in",
    snapshot="car-park.events/1700000000500-41-0.jpg",
)
ENDED: Final = replace(
    CROSSED,
    id="car-park/1700000000500-41-1",
    kind="track_ended",
    zone=None,
    direction=None,
    snapshot=None,
    duration_s=1.5,
    path=((0.14, 60.0, 220.0), (1.64, 60.25, 220.5)),
)
MINUTE: Final = MinuteCounts("car-park", 1_700_000_000.0, 750, (MinuteRow("yard", "car", 3, 1.25, 5, 2),))
ZONES: Final = (ZoneCount("yard", 5, 2, 3, ((0, 0), (9, 0), (9, 900))), ZoneCount("all", 1, 0, 1))
PUBLIC: Final[dict[str, Detections | EndOfSource | Event | MinuteCounts]] = {
    "published": FOUND,
    "published-none": replace(Detections.none(FRAME), published_ns=5),
    "published-failed": Detections.failed(FRAME, "the engine refused it"),
    "published-live": replace(FOUND, frame=replace(FRAME, previous=37), dropped_before=3),
    "published-zones": replace(FOUND, zones=ZONES),
    "published-events": replace(FOUND, events=(CROSSED, ENDED), minutes=(MINUTE,)),
    "published-end-events": EndOfSource("car-park", 2, 42, events=(ENDED,), minutes=(MINUTE,)),
    "minute": MINUTE,
    "published-end": EndOfSource("car-park", 2, 42),
    "event-bare": Event("a/1-0-0", "count", "a", 0, 0, 0.0, value=3.0),
    "event-crossed": CROSSED,
    "event-track-ended": ENDED,
}


def plain(message: Message) -> dict[str, Any]:
    """Return all that is in a message, with the dtypes and shapes of its arrays, as values that compare."""
    values = {field.name: getattr(message, field.name) for field in fields(message)}
    return {
        "type": type(message).__name__,
        **{
            name: (value.dtype.str, value.shape, value.tolist()) if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        },
    }
