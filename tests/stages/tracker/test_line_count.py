"""The example of zones and lines on a real recording, against what people counted in its pictures (docs/events.md).

The boxes are those that the demo model finds in the shared `car-detection.mp4`, as `detstream run` wrote them.
"""

from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from pipeline import keys
from pipeline.broker import Delivery
from pipeline.ledger import Ledger
from pipeline.messages import Detections, EndOfSource, Event
from pipeline.settings import load
from pipeline.wire import decode
from stages.annotator.lines import found_in, read_fields
from stages.tracker.channel import Channel
from stages.tracker.settings import TrackerRoot
from tests.fakes import MemoryBroker

ROOT: Final = Path(__file__).parents[3]
SOURCE: Final = "car-detection"
BY_EYE: Final = {"in": 2, "out": 2}
"""The grey and the second white car go down over the middle of the picture, the first white one and the red one up."""


@pytest.fixture(scope="module")
def events() -> list[Event]:
    settings = load(TrackerRoot, ROOT / "configs/zones.yaml").tracker
    broker = MemoryBroker()
    Ledger(broker, SOURCE).write({"fps": 12.5})
    channel = Channel(broker, SOURCE, settings)
    lines = read_fields(ROOT / f"tests/data/{SOURCE}.jsonl")
    messages: list[Detections | EndOfSource] = [found_in(fields, 1) for _, fields in lines]
    for number, message in enumerate([*messages, EndOfSource(SOURCE, 1, len(messages))]):
        channel.accept(Delivery(keys.RAW, f"{number + 1}-0", b""), message)
    with broker.transaction() as transaction:
        channel.publish(transaction)
    found = [decode(body) for body in broker.bodies(keys.events(SOURCE))]
    return [event for event in found if isinstance(event, Event)]


def test_as_many_cars_cross_the_line_as_people_count(events: list[Event]) -> None:
    crossed = [event for event in events if event.kind == "crossed"]
    assert Counter(event.direction for event in crossed) == BY_EYE
    assert {event.class_name for event in crossed} == {"car"}
    assert len({event.tracker_id for event in crossed}) == 4


def test_two_cars_are_in_the_bay_at_once_and_each_that_comes_goes(events: list[Event]) -> None:
    assert [(event.direction, event.value) for event in events if event.kind == "count"] == [("in", 2.0), ("out", 1.0)]
    kinds = Counter(event.kind for event in events)
    assert kinds["enter"] == kinds["exit"] == kinds["track_started"] == kinds["track_ended"] == 4
    assert kinds["appeared"] == kinds["disappeared"] == 3
