"""Who outputs are sent to, and the settings that all of them have."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Literal, Protocol, TypeAlias

from pydantic import Field

from pipeline.settings import Section
from stages.annotator.couriers.parcel import Parcel, Wanted


class Peer(Protocol):
    """A connection, used by one thread; after an error it is closed, and another one is opened for the next try."""

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Return when the peer answers for all of them; some may be there already, from a try before.

        Raises:
            PeerError: it can't be reached, or doesn't answer for all.
            RefusedError: it refuses one of them for good; where there are several, they are sent again one by one.
        """

    def close(self) -> None:
        """Hang up."""


Connect: TypeAlias = Callable[[], Peer]
"""Opens a connection; raises PeerError where that fails."""


class Sending(Section):
    """What all settings of sinks that send have in common."""

    at_once: ClassVar[int] = 1
    """Most parcels of one `send`."""

    kind: str
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=40)
    """Where there are several of a kind: what this one is called in counts and messages; its kind if not given."""
    send: Wanted = "both"
    delivery: Literal["required", "best_effort"] = "required"
    """Of recordings: whether they wait for this peer, or leave out what it can't take. A camera waits for nobody."""
    queue: int = Field(default=1000, ge=1, le=1_000_000)
    """Most frames and events that wait for the peer."""

    @property
    def label(self) -> str:
        """What it is called in counts, files and messages."""
        return self.name or self.kind

    @abstractmethod
    def connector(self, folder: Path) -> Connect:
        """Return what opens a connection; `folder` is that of the outputs. Each sink has its own.

        Raises:
            ConfigError: a library is missing, or a setting is of no use.
        """

    def outputs(self, folder: Path, stem: str, source: str = "") -> tuple[Path, ...]:
        """Return no file: what is sent is elsewhere."""
        return ()
