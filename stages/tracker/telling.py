"""What happened, told to everybody: the public streams of events and of minutes."""

from typing import Final

from pipeline import keys
from pipeline.broker import Transaction
from pipeline.messages import Event, MinuteCounts
from pipeline.wire import Wire, encode_public
from stages.tracker.watching import Happened

_MOST_IN_A_FRAME: Final = 10_000
_OF_ALL: Final = 4
"""So many times as many events stay in the stream of all sources."""
_MINUTES_KEPT: Final = 24 * 60


class Telling:
    """Publishes a source's events, in the transaction of the frame that showed them: each once, whatever crashes."""

    def __init__(self, source: str, wire: Wire, retain: int) -> None:
        self._source, self._wire, self._retain = source, wire, (retain, _OF_ALL * retain)

    def tell(self, transaction: Transaction, happened: Happened, entry_ms: int, seq: int) -> None:
        """Publish what a frame brought; `entry_ms` and `seq`: what its own entry is called."""
        for number, event in enumerate(happened.events):
            # The number within the frame, not of those before: a second copy is refused by its ID.
            entry_id = f"{entry_ms}-{seq * _MOST_IN_A_FRAME + number}"
            body, fields = encode_public(event, self._wire), _fields(event)
            streams = keys.events(self._source), keys.EVENTS
            transaction.publish_in_both(*streams, entry_id, body, fields, self._retain)
        for counts in happened.minutes:
            body = encode_public(counts, self._wire)
            entry_id = f"{entry_ms}-{seq}"
            transaction.publish(keys.counts(self._source), entry_id, body, _of_a_minute(counts), _MINUTES_KEPT)


def _fields(event: Event) -> dict[str, str | int]:
    at_s = event.pts_s if event.timestamp_s is None else event.timestamp_s
    return {"v": 1, "source": event.source, "seq": event.seq, "ts": f"{at_s:.6f}", "n": 1, "kind": event.kind}


def _of_a_minute(counts: MinuteCounts) -> dict[str, str | int]:
    return {"v": 1, "source": counts.source, "ts": f"{counts.start_s:.6f}", "n": len(counts.rows)}
