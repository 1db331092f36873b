"""A sink: a datagram of JSON for each frame or event.

Guarantee: at most once: nobody says whether a datagram has come.
"""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.errors import PeerError, RefusedError
from stages.annotator.couriers.parcel import Parcel, Wanted
from stages.annotator.couriers.peer import Connect, Sending


class UdpSink(Sending):
    """Settings of the datagrams."""

    kind: Literal["udp"] = "udp"
    send: Wanted = "events"
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)

    def connector(self, folder: Path) -> Connect:
        """Return what opens the socket."""
        return lambda: Datagrams(self.host, self.port)


class Datagrams:
    """A socket."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Send them: a PeerError means later, a RefusedError never."""
        for parcel in parcels:
            body = parcel.json()
            if len(body) > 65_507:
                raise RefusedError(f"{len(body)} bytes don't fit into a datagram")
            try:
                self._socket.sendto(body, self._to)
            except OSError as error:
                raise PeerError(f"{self._to[0]}: {error.strerror}") from error

    def close(self) -> None:
        """Free the socket."""
        self._socket.close()
