"""What is left of a recording that is finished, so that ten thousand of them take little room: sums, and that it is."""

from dataclasses import dataclass
from typing import Final

from pipeline import keys
from pipeline.broker import Broker
from pipeline.ledger import Standing

_KEPT: Final = ("epoch", "live", "frames", "decoded", "published", "error", "ended", "finished", "done")
"""Fields of its ledger, and those that begin so: decoders ask whether it is finished, trackers whether it has ended."""


@dataclass(frozen=True, slots=True)
class Finished:
    """All recordings of a run that are finished, together."""

    recordings: int = 0
    frames: int = 0
    made: int = 0
    """Of these, by this run and not by one that it resumes."""
    size: int = 0
    """Of their files, bytes."""


def finished(broker: Broker) -> Finished:
    """Return what is finished so far."""
    fields = broker.get_fields(keys.FINISHED)
    return Finished(**{name: int(fields.get(name, 0)) for name in Finished.__slots__})


def settle(broker: Broker, source: str, standing: Standing) -> None:
    """Count a recording among the finished ones, and forget what only matters while it is worked on."""
    gone = [field for field in standing.fields if field.split(".")[0] not in _KEPT]
    with broker.transaction() as transaction:
        transaction.remove_member(keys.SOURCES, source)
        transaction.add_member(keys.SETTLED, source)
        transaction.remove_fields(keys.ledger(source), gone)
        transaction.remove_fields(keys.checkpoint(source), ["tracks", "latency"])
        transaction.add(keys.FINISHED, "recordings", 1)
        transaction.add(keys.FINISHED, "frames", standing.frames or 0)
        transaction.add(keys.FINISHED, "made", standing.made)
        transaction.add(keys.FINISHED, "size", standing.number("size", 0))
    broker.delete([keys.states(source)])
