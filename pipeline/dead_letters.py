"""Entries that nobody can deal with, kept with the reason."""

from typing import Final

from pipeline import keys
from pipeline.broker import CHOSEN_BY_THE_BROKER, Delivery, Transaction

KEPT: Final = 10_000


def bury(transaction: Transaction, delivery: Delivery, reason: str, body: bytes | None = None) -> None:
    """Move an entry to the dead letters, or `body` in its place; about the newest ten thousand stay."""
    letter = {"stream": delivery.stream, "id": delivery.id, "reason": reason}
    transaction.publish(keys.DEAD_LETTERS, CHOSEN_BY_THE_BROKER, delivery.body if body is None else body, letter, KEPT)
