"""Sends to nobody: what is left is the cost of everything else.

Guarantee: each frame and event is handed over at least once, and forgotten.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from stages.annotator.couriers.parcel import Parcel
from stages.annotator.couriers.peer import Connect, Sending


class NullSink(Sending):
    """Settings of the sink that sends to nobody."""

    at_once: ClassVar = 1000

    kind: Literal["null"] = "null"

    def connector(self, folder: Path) -> Connect:
        """Return what opens it."""
        return Nobody


class Nobody:
    """Takes everything."""

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Forget them."""

    def close(self) -> None:
        """Do nothing."""
