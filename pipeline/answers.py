"""What was found in frames, on its way to the tracker."""

from typing import Final

from pipeline import keys
from pipeline.broker import Transaction
from pipeline.messages import Detections, EndOfSource
from pipeline.wire import encode

_KEPT: Final = 10_000


def answer(transaction: Transaction, message: Detections | EndOfSource, *, live: bool) -> None:
    """Append an answer; of cameras about the newest ten thousand stay, if there is no tracker to take them."""
    transaction.append(keys.RAW_LIVE if live else keys.RAW, encode(message), _KEPT if live else None)
