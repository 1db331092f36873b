"""A JSON line an item into a pipe; a pipe that nobody empties holds up nobody but this sink."""

import json
import os

import pytest

from pipeline.errors import PeerError
from stages.annotator.sinks.stdout import Pipe
from tests.stages.annotator.couriers.parcels import event_parcel, frame_parcel


def test_each_item_is_a_line() -> None:
    reading, writing = os.pipe()
    Pipe(writing).send([frame_parcel(0), event_parcel(1)])
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = [json.loads(line) for line in pipe]
    assert [line["id"] for line in lines] == ["run1/gate/0", "gate/1-0"]


def test_a_pipe_without_a_reader_is_an_error_that_is_tried_again() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(PeerError, match="standard output: Broken pipe"):
        Pipe(writing).send([frame_parcel(0)])
    os.close(writing)
