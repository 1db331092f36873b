"""Objects that move, as a detector would report them."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from pipeline import keys
from pipeline.messages import Detections, EndOfSource, FrameMeta
from pipeline.wire import decode
from tests.fakes import MemoryBroker
from tests.pipeline.message_examples import plain

SOURCE: Final = "gate"
FPS: Final = 25.0


def scene(seed: int, frames: int, epoch: int = 1, source: str = SOURCE) -> list[Detections]:
    """Return frames with up to five objects that come, go, hide and cross; some frames could not be looked at."""
    random = np.random.default_rng(seed)
    places = random.uniform(0, 400, (5, 2))
    speeds = random.uniform(-6, 6, (5, 2))
    found = []
    for seq in range(frames):
        meta = FrameMeta(source, epoch, seq, seq / FPS, 640, 480, captured_ns=1, decoded_ns=2)
        if random.random() < 0.05:
            found.append(Detections.failed(meta, "damaged"))
            continue
        seen = np.flatnonzero(random.random(5) < 0.8)
        found.append(_found(meta, places[seen] + speeds[seen] * seq, random))
    return found


def _found(meta: FrameMeta, places: Any, random: np.random.Generator) -> Detections:
    count = len(places)
    confidence = np.sort(random.uniform(0.2, 0.95, count).astype(np.float32))[::-1].round(4)
    return Detections(
        frame=meta,
        xyxy=np.hstack([places, places + np.array([40, 60])]).round(2).astype(np.float32),
        confidence=confidence,
        class_id=np.arange(count, dtype=np.int32) % 3,
        class_name=tuple("abc"[number % 3] for number in range(count)),
        tracker_id=np.full(count, -1, np.int64),
        inferred_ns=3,
    )


def published(broker: MemoryBroker, source: str = SOURCE) -> list[dict[str, Any]]:
    """Return the public stream, each entry with its ID and fields, without the clock of its publication."""
    stream, result = broker.stream(keys.detections(source)), []
    for entry in sorted(stream.entries):
        message = plain(decode(stream.entries[entry]))
        message.pop("published_ns", None)
        result.append({"id": entry, "fields": stream.fields[entry], **message})
    return result


def numbers(broker: MemoryBroker, source: str = SOURCE) -> list[int]:
    """Return the numbers of the published frames, and after the end that of all frames, negative."""
    bodies = broker.bodies(keys.detections(source))
    found: Sequence[object] = [decode(body) for body in bodies]
    return [
        message.frame.seq if isinstance(message, Detections) else -message.frames
        for message in found
        if isinstance(message, Detections | EndOfSource)
    ]
