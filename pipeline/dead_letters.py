"""What nobody can deal with, kept with the reason: entries of streams, and what sinks could not get rid of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pipeline import keys
from pipeline.broker import CHOSEN_BY_THE_BROKER, Broker, Delivery, Entry, Transaction
from pipeline.memory import LETTERS_KEPT

_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter."""

    id: str
    """Its own; the first part is when it was written, milliseconds since 1970."""
    stream: str
    """That the entry was in; of what a sink could not get rid of, the public stream of its source."""
    entry: str
    """The entry's ID; of what a sink could not get rid of, the `id` that it is sent with."""
    reason: str
    body: bytes
    sink: str = ""
    """The sink that could not get rid of it, empty for an entry of a stream."""


def bury(transaction: Transaction, delivery: Delivery, reason: str, body: bytes | None = None) -> None:
    """Move an entry to the dead letters, or `body` in its place; about the newest ten thousand stay."""
    letter = {"stream": delivery.stream, "id": delivery.id, "reason": reason}
    transaction.publish(
        keys.DEAD_LETTERS, CHOSEN_BY_THE_BROKER, delivery.body if body is None else body, letter, LETTERS_KEPT
    )


def bury_parcel(transaction: Transaction, sink: str, source: str, parcel_id: str, body: bytes, reason: str) -> None:
    """Keep what a sink could not get rid of: `body` is its JSON."""
    letter = {"sink": sink, "stream": keys.detections(source), "id": parcel_id, "reason": reason}
    transaction.publish(keys.DEAD_LETTERS, CHOSEN_BY_THE_BROKER, body, letter, LETTERS_KEPT)


def letters(broker: Broker) -> Iterator[Letter]:
    """Yield the dead letters, the oldest first."""
    after = "0"
    while found := broker.entries(keys.DEAD_LETTERS, after, _AT_ONCE):
        yield from (_letter(entry) for entry in found)
        after = found[-1].id


def _letter(entry: Entry) -> Letter:
    texts = {name: value.decode(errors="replace") for name, value in entry.fields.items() if name != "body"}
    return Letter(
        id=entry.id,
        stream=texts.get("stream", ""),
        entry=texts.get("id", ""),
        reason=texts.get("reason", ""),
        body=entry.fields.get("body", b""),
        sink=texts.get("sink", ""),
    )
