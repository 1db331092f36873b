"""Entries that nobody can deal with, kept with the reason."""

from pipeline import keys
from pipeline.broker import CHOSEN_BY_THE_BROKER, Delivery, Transaction
from pipeline.memory import LETTERS_KEPT


def bury(transaction: Transaction, delivery: Delivery, reason: str, body: bytes | None = None) -> None:
    """Move an entry to the dead letters, or `body` in its place; about the newest ten thousand stay."""
    letter = {"stream": delivery.stream, "id": delivery.id, "reason": reason}
    transaction.publish(
        keys.DEAD_LETTERS, CHOSEN_BY_THE_BROKER, delivery.body if body is None else body, letter, LETTERS_KEPT
    )


def bury_parcel(transaction: Transaction, sink: str, source: str, parcel_id: str, body: bytes, reason: str) -> None:
    """Keep what a sink could not get rid of: `body` is its JSON, `stream` what it was of."""
    letter = {"sink": sink, "stream": keys.detections(source), "id": parcel_id, "reason": reason}
    transaction.publish(keys.DEAD_LETTERS, CHOSEN_BY_THE_BROKER, body, letter, LETTERS_KEPT)
