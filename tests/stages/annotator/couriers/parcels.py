"""Made-up frames with events, and what is to be sent of them."""

from dataclasses import replace
from typing import Final

from pipeline.messages import Detections, Event
from stages.annotator.couriers.parcel import Parcel, parcels_of
from tests.stages.annotator.frames import found

RUN: Final = "run1"


def event(seq: int, number: int = 0) -> Event:
    return Event(
        id=f"gate/{seq}-{number}",
        kind="crossed",
        source="gate",
        epoch=7,
        seq=seq,
        pts_s=seq / 12.5,
        timestamp_s=1524177960 + seq / 12.5,
        tracker_id=3,
        class_id=1,
        class_name="person",
        confidence=0.5,
        xyxy=(1.0, 2.0, 3.0, 4.0),
        zone="yard",
        direction="in",
        path=((0.5, 1.0, 2.0),),
    )


def with_event(seq: int, objects: int = 2) -> Detections:
    return replace(found(seq, objects=objects), events=(event(seq),))


def frame_parcel(seq: int) -> Parcel:
    (parcel,) = parcels_of(found(seq), "frames", RUN)
    return parcel


def event_parcel(seq: int, source: str = "gate") -> Parcel:
    (parcel,) = parcels_of(with_event(seq), "events", RUN)
    return replace(parcel, source=source)
