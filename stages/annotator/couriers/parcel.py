"""What is sent: a frame's detections, or an event, as a map that any program reads."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pipeline.messages import Detections, EndOfSource, Event
from pipeline.wire_event import event_fields
from stages.annotator.lines import line_fields

Wanted: TypeAlias = Literal["frames", "events", "both"]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One thing to send; the same thing has the same `id` whenever it is sent again."""

    kind: Literal["frame", "event"]
    source: str
    seq: int
    """Of the frame, or of the one that showed the event."""
    id: str
    """Of an event its own; of a frame `<run>/<source>/<seq>`, for a camera with the epoch before the seq."""
    body: Mapping[str, Any]
    """Lists, maps, texts and numbers; `type`, `id` and `run` among them."""

    def json(self) -> bytes:
        """Return the body as JSON in UTF-8."""
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False).encode()


def parcels_of(message: Detections | EndOfSource, wanted: Wanted, run: str) -> Iterator[Parcel]:
    """Yield what is to be sent of a message: the frame, then its events. `run` tells repeated runs apart."""
    if wanted != "events" and isinstance(message, Detections):
        yield _of_frame(message, run)
    if wanted != "frames":
        yield from (_of_event(event, run) for event in message.events)


def _of_frame(found: Detections, run: str) -> Parcel:
    frame = found.frame
    # A camera's numbers may begin anew with a new epoch; a recording's never do, while its epochs come and go.
    number = str(frame.seq) if frame.previous is None else f"{frame.epoch}-{frame.seq}"
    key = f"{run}/{frame.source}/{number}"
    epoch = 0 if frame.previous is None else frame.epoch
    body = {"type": "frame", "id": key, "run": run, "epoch": epoch, **line_fields(found)}
    return Parcel("frame", frame.source, frame.seq, key, body)


def _of_event(event: Event, run: str) -> Parcel:
    # Which restart it was in is not the same after a crash, and told in the streams only.
    fields = {name: value for name, value in event_fields(event).items() if name != "epoch"}
    body = {"type": "event", **fields, "run": run}
    return Parcel("event", event.source, event.seq, event.id, body)
