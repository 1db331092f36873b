"""Cameras that are to be gone: their end is told, and their traces are removed when nobody may want to read on."""

import time
from dataclasses import dataclass
from typing import Final

from pipeline import keys
from pipeline.broker import Broker
from pipeline.ledger import Ledger, Standing
from pipeline.messages import EndOfSource
from pipeline.registry import Registry, Wish
from stages.decoder.live.states import end_camera, tell

_FORGET_AFTER_NS: Final = 600 * 10**9
"""A camera that was removed leaves its last messages for so long."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a decoder takes cameras."""

    owner: str
    most: int
    """At once."""
    lease_s: float


class Removal:
    """What any decoder does about cameras that were removed, and that none has any more."""

    def __init__(self, broker: Broker, registry: Registry, terms: Terms) -> None:
        self._broker, self._registry, self._terms = broker, registry, terms

    def see_off(self, wish: Wish) -> None:
        """Tell the end of a camera whose decoder could not; forget one that is long gone."""
        standing = Ledger(self._broker, wish.name).read()
        if _goes_on(standing):
            self._end(wish)
        elif time.time_ns() - wish.revision > _FORGET_AFTER_NS and (standing.fields or wish.origin != "file"):
            self._forget(wish)

    def _end(self, wish: Wish) -> None:
        lease, ledger = keys.lease(wish.name), Ledger(self._broker, wish.name)
        if not self._broker.lease(lease, self._terms.owner, self._terms.lease_s):
            return
        if _goes_on(ledger.read()):  # another decoder may have been faster
            frames = ledger.read().number("captured", 0)
            end = EndOfSource(wish.name, ledger.begin_epoch(live=True), frames)
            end_camera(self._broker, ledger, end, wish.revision)
            tell(self._broker, wish.name, "ended")
        self._broker.release(lease, self._terms.owner)

    def _forget(self, wish: Wish) -> None:
        with self._broker.transaction() as transaction:
            transaction.remove_member(keys.SOURCES, wish.name)
        self._broker.delete(Ledger(self._broker, wish.name).all_keys())
        if wish.origin != "file":  # else the next decoder would take it from its file again
            self._registry.forget(wish.name)


def has_ended(standing: Standing, wish: Wish) -> bool:
    """Return whether a camera has come to the end of what is wished for; no clock says so, as two hosts have two."""
    over = standing.epoch > 0 and not _goes_on(standing)
    return over and standing.number("ended_revision", -1) >= wish.revision


def _goes_on(standing: Standing) -> bool:
    return standing.epoch > 0 and standing.ended_epoch != standing.epoch
