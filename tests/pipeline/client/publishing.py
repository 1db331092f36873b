"""Public streams as the tracker writes them, without one."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any, Final, TypeAlias

import numpy as np

from pipeline import keys
from pipeline.broker import CHOSEN_BY_THE_BROKER, Broker
from pipeline.client.items import Item
from pipeline.client.subscription import Subscription
from pipeline.messages import Detections, EndOfSource, Event, FrameMeta, SourceState
from pipeline.wire import Wire, encode_public

_Published: TypeAlias = Detections | EndOfSource | Event | SourceState
NOW_S: Final = 1_700_000_000.0


def frame(
    source: str, seq: int, *, at_s: float | None = None, classes: tuple[str, ...] = ("car", "dog"), **extra: Any
) -> Detections:
    """Return a camera's frame, taken `seq` tenths of a second after NOW_S."""
    taken_s = NOW_S + seq / 10 if at_s is None else at_s
    meta = FrameMeta(source, 1, seq, seq / 10, 640, 480, taken_s, previous=seq - 1)
    count = len(classes)
    return Detections(
        frame=meta,
        xyxy=np.arange(count * 4, dtype=np.float32).reshape(count, 4),
        confidence=np.linspace(0.9, 0.3, count, dtype=np.float32),
        class_id=np.arange(count, dtype=np.int32),
        class_name=classes,
        tracker_id=np.array([number or -1 for number in range(count)], np.int64),
        **extra,
    )


def recorded(source: str, seq: int) -> Detections:
    """Return a recording's frame, which knows only its time in the recording."""
    found = frame(source, seq)
    return replace(found, frame=replace(found.frame, timestamp_s=None, previous=None))


def state(source: str, name: str, **extra: Any) -> SourceState:
    return SourceState(source, 1, name, 5, **extra)


def event(source: str, seq: int, kind: str = "crossed") -> Event:
    return Event(f"{source}/{seq}-0", kind, source, 1, seq, seq / 10, NOW_S + seq / 10, 4, 2, "car", zone="door")


def publish(broker: Broker, *messages: _Published, wire: Wire = "msgpack", retain: int | None = None) -> None:
    """Put messages into their streams."""
    for message in messages:
        with broker.transaction() as transaction:
            body = encode_public(message, wire)
            for stream, entry_id in _places(message):
                transaction.publish(stream, entry_id, body, _fields(message), retain)


def _fields(message: _Published) -> dict[str, str | int]:
    if isinstance(message, Detections):
        at_s = message.frame.pts_s if message.frame.timestamp_s is None else message.frame.timestamp_s
        same: dict[str, str | int] = {"v": 1, "source": message.frame.source, "seq": message.frame.seq}
        return same | {"ts": f"{at_s:.6f}", "n": len(message)}
    return {"v": 1, "source": message.source}


def _places(message: _Published) -> list[tuple[str, str]]:
    if isinstance(message, SourceState):
        return [(keys.STATES, CHOSEN_BY_THE_BROKER)]
    if isinstance(message, Event):
        place = f"{round((message.timestamp_s or message.pts_s) * 1000)}-{message.seq}"
        return [(keys.events(message.source), place), (keys.EVENTS, CHOSEN_BY_THE_BROKER)]
    if isinstance(message, EndOfSource):
        return [(keys.detections(message.source), f"{round((NOW_S + 9999) * 1000)}-{message.frames}")]
    at_s = message.frame.pts_s if message.frame.timestamp_s is None else message.frame.timestamp_s
    return [(keys.detections(message.frame.source), f"{max(round(at_s * 1000), 1)}-{message.frame.seq}")]


def first(subscription: Subscription[Any], count: int) -> list[Item]:
    """Return as many items, however long they take."""
    return list(islice(subscription, count))


def seqs(items: Iterable[Any]) -> list[tuple[str, int]]:
    return [(item.source, item.seq) for item in items]
