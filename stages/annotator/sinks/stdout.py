"""A JSON line a frame or event on standard output, for the next program in a pipe.

Guarantee: at least once, in order. A line counts as taken when the pipe has it: what the next program makes of it, and
what of it is lost when that dies, this program can't know. When nobody reads any more, lines wait (or are left out).
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.errors import PeerError
from stages.annotator.couriers.parcel import Parcel, Wanted
from stages.annotator.couriers.peer import Connect, Sending


class StdoutSink(Sending):
    """Settings of the lines on standard output."""

    at_once: ClassVar = 100

    kind: Literal["stdout"] = "stdout"
    send: Wanted = "frames"

    def connector(self, folder: Path) -> Connect:
        """Return what opens it."""
        return lambda: Pipe(sys.__stdout__.fileno() if sys.__stdout__ else 1)


class Pipe:
    """Writes whole lines to a file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Write a line for each.

        Raises:
            PeerError: nobody reads any more, or the disk behind it is full.
        """
        rest = memoryview(b"".join(parcel.json() + b"\n" for parcel in parcels))
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise PeerError(f"standard output: {error.strerror}") from error

    def close(self) -> None:
        """Leave it open: others write there too."""
