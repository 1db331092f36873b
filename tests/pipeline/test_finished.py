"""Of a recording that is finished little is left, and it is counted."""

import pytest

from pipeline import keys
from pipeline.broker import Broker
from pipeline.finished import Finished, finished, settle
from pipeline.ledger import Ledger


def begun(broker: Broker, source: str, frames: int) -> Ledger:
    ledger = Ledger(broker, source)
    ledger.announce(f"/videos/{source}.mp4", 5000)
    ledger.begin_epoch()
    ledger.write({"width": 640, "fps": 25.0, "frames": frames, "decoded": frames, "written.jsonl": frames})
    ledger.write({"done.annotator": frames - 1, "published": frames - 1, "ended": 7, "finished.annotator": 1})
    with broker.transaction() as transaction:
        transaction.set_fields(keys.checkpoint(source), {"following": frames, "ended": 1, "latency": b"l" * 500})
        transaction.set_fields(keys.states(source), {"64": b"state"})
    return ledger


def test_recordings_that_are_finished_are_counted_with_their_frames_and_bytes(any_broker: Broker) -> None:
    assert finished(any_broker) == Finished()
    for source, frames, resumed in (("a", 10, 3), ("b", 0, 0), ("c", 5, 0)):
        ledger = begun(any_broker, source, frames)
        ledger.write({"resumed": resumed})
        settle(any_broker, source, ledger.read())
    assert finished(any_broker) == Finished(3, 15, 12, 15_000)
    assert any_broker.members(keys.SOURCES) == set() and any_broker.members(keys.SETTLED) == {"a", "b", "c"}


def test_what_is_left_says_that_it_is_finished_and_little_else(any_broker: Broker) -> None:
    ledger = begun(any_broker, "a", 10)
    before = ledger.read()
    settle(any_broker, "a", before)
    after = ledger.read()
    assert after.finished((keys.ANNOTATOR,)) and (after.epoch, after.frames, after.published) == (before.epoch, 10, 9)
    assert not after.fields.keys() & {"path", "width", "fps", "written.jsonl", "size", "started_ns"}
    assert any_broker.get_fields(keys.checkpoint("a")).keys() == {"following", "ended"}
    assert any_broker.get_fields(keys.states("a")) == {}


@pytest.mark.parametrize("times", [1, 3])
def test_numbers_add_up(any_broker: Broker, times: int) -> None:
    for _ in range(times):
        with any_broker.transaction() as transaction:
            transaction.add("sums", "n", 4)
    assert any_broker.get_fields("sums") == {"n": b"%d" % (4 * times)}
