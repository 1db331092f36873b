"""Streams with work sharing, and hashes beside them: what detstream asks of Redis."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

CHOSEN_BY_THE_BROKER: Final = "*"
"""As the ID of an entry to be published: the next one in time."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One entry of a stream in the hands of one consumer."""

    stream: str
    id: str
    body: bytes
    deliveries: int = 1
    """How often it was handed out, this time included: above 1, a consumer died with it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream, as anybody may look at it."""

    id: str
    fields: Mapping[str, bytes]
    """The body, as `body`, and the plain fields beside it."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The frame of a camera that was its newest when somebody came to look at it."""

    meta: bytes
    """As it was offered."""
    previous: int
    """Seq of the one that was bound before, -1 for none."""


class Group(Protocol):
    """One consumer's place in a consumer group of a stream or of several."""

    def read(self, count: int, block_s: float, streams: Sequence[str] | None = None) -> list[Delivery]:
        """Return up to `count` entries of each stream, in the order of the streams, or none after `block_s` seconds.

        `streams` are some of the group's, all if not given.

        What this consumer had in hand when it died comes first, then what consumers have held for longer than the
        claim time (both one at a time, so that a poisoned entry is alone when it kills again), then new entries.
        """


class Transaction(Protocol):
    """Commands that are carried out together, or not at all, when the `with` block ends without an error."""

    def append(self, stream: str, body: bytes, retain: int | None = None) -> None:
        """Append an entry under an ID that the broker chooses; about `retain` of the newest stay, all if not given."""

    def publish(
        self, stream: str, entry_id: str, body: bytes, fields: Mapping[str, str | int], retain: int | None = None
    ) -> None:
        """Append an entry under this ID, with plain fields beside the body; a second copy is ignored.

        About as many as `retain` of the newest entries stay, also if somebody has not dealt with the others; all if
        it is not given.
        """

    def publish_in_both(
        self,
        stream: str,
        common: str,
        entry_id: str,
        body: bytes,
        fields: Mapping[str, str | int],
        retain: tuple[int, int],
    ) -> None:
        """Publish an entry under this ID, and in the stream `common` under one that the broker chooses.

        A second copy is ignored in both. About as many of the newest entries of each stay as `retain` says.
        """

    def trim_before(self, stream: str, entry_id: str) -> None:
        """Remove about the entries before this ID, dealt with or not."""

    def ack(self, stream: str, group: str, ids: Sequence[str]) -> None:
        """Say that these entries are dealt with."""

    def set_fields(self, key: str, fields: Mapping[str, str | int | float | bytes]) -> None:
        """Set fields of a hash; the others stay."""

    def remove_fields(self, key: str, fields: Sequence[str]) -> None:
        """Remove fields of a hash; the others stay."""

    def add(self, key: str, field: str, number: int) -> None:
        """Add to a number in a hash, from 0."""

    def add_member(self, key: str, member: str) -> None:
        """Add a member to a set."""

    def remove_member(self, key: str, member: str) -> None:
        """Remove a member of a set."""


class Broker(Protocol):
    """The connection of one process to the streams.

    Every method waits for a broker that has gone away, with back-off and jitter, and carries on when it is back.

    Raises:
        BrokerUnreachableError: the first connection was not answered within the connect time.
        BrokerError: the broker refused a command.
    """

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Collect commands and send them in one atomic round trip."""

    def group(self, streams: Sequence[str], group: str, consumer: str) -> Group:
        """Join a consumer group of these streams, made where it is missing, from a stream's first entry on."""

    def read(self, after: Mapping[str, str], count: int, block_s: float) -> list[Delivery]:
        """Return up to `count` entries of each stream behind its ID ("0": from the first), or none after `block_s`."""

    def trim_acknowledged(self, stream: str) -> None:
        """Remove what every group of the stream has dealt with, and nothing else."""

    def trim_before(self, stream: str, entry_id: str) -> None:
        """Remove the entries before this ID."""

    def get_fields(self, key: str) -> dict[str, bytes]:
        """Return a hash, empty if there is none."""

    def increment(self, key: str, field: str, least: int = 1) -> int:
        """Add one to a field of a hash, from 0, raise it to `least` if it is less, and return it."""

    def members(self, key: str) -> set[str]:
        """Return the members of a set."""

    def lease(self, key: str, owner: str, ttl_s: float) -> bool:
        """Take or renew a lease for `ttl_s` seconds; False if another owner has it."""

    def release(self, key: str, owner: str) -> None:
        """Give a lease back if it is this owner's."""

    def offer(self, key: str, epoch: int, seq: int, meta: bytes, item: bytes) -> bool:
        """Make a frame the newest of the camera with the hash `key`; append `item` to `keys.LIVE` unless one waits.

        Return False if the camera has a newer epoch: then nothing is done.
        """

    def bind(self, most: int) -> list[Bound]:
        """Take the newest frames of up to `most` cameras, so that nobody else gets them.

        Of those that have one, these are the cameras of which none was taken for longest.
        """

    def pass_over(self, key: str, epoch: int, seq: int) -> int | None:
        """Take a camera's frame that was not offered, as nobody has to look at it; return the one taken before it.

        None, and nothing is done, if an offered one waits to be taken, or if the camera has a newer epoch.
        """

    def withdraw(self, key: str, epoch: int) -> None:
        """Let no frame of a camera be taken that is of this epoch or older; none of an older is offered after."""

    def entries(self, stream: str, after: str, count: int) -> list[Entry]:
        """Return up to `count` entries of a stream behind an ID ("0": from the first), with all their fields."""

    def remove(self, stream: str, ids: Sequence[str]) -> int:
        """Remove entries, and return how many there were."""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys of any kind."""

    def close(self) -> None:
        """Close the connection."""
