"""All cameras of one decoder: taken from the registry under leases, given up when somebody else shall have them."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random
from typing import Final

import structlog
from pydantic import SecretStr, ValidationError

from pipeline import keys
from pipeline.broker import Broker
from pipeline.errors import ConfigError, SourceError
from pipeline.frame_store import FrameStore
from pipeline.ledger import Ledger
from pipeline.registry import Registry, Wish
from pipeline.seal import Seal
from pipeline.settings import explain
from stages.decoder.address import parse
from stages.decoder.live.camera import Camera, Open
from stages.decoder.live.captured import LiveVideo
from stages.decoder.live.clock import CaptureClock
from stages.decoder.live.feed import Feed
from stages.decoder.live.opening import opened
from stages.decoder.live.states import Reporter, tell
from stages.decoder.removal import Removal, Terms, has_ended
from stages.decoder.room import Room
from stages.decoder.sources.camera import CameraSource

_REFRESH_S: Final = 1.0
_READ_S: Final = 0.5
_HUNG_S: Final = 5.0
"""Beyond the longest wait that its settings allow."""
_STOP_S: Final = 3.0
_MOST_HUNG: Final = 8
"""A hung thread can't be ended: with more of them than that the process is to begin anew."""


@dataclass(slots=True)
class _Held:
    camera: Camera
    thread: threading.Thread
    failure: Future[None]
    revision: int
    renewed_s: float


class Cameras:
    """Holds up to so many of the wished cameras; no two decoders hold the same one."""

    def __init__(
        self,
        broker: Broker,
        store: FrameStore,
        registry: Registry,
        room: Room,
        terms: Terms,
        seal: Seal,
        variables: Mapping[str, str],
    ) -> None:
        """`variables`: what `${NAME}` in a camera's URL stands for."""
        self._broker, self._store, self._registry, self._room = broker, store, registry, room
        self._terms, self._seal, self._variables = terms, seal, variables
        self._held: dict[str, _Held] = {}
        self._hung: list[threading.Thread] = []
        self._read_s = self._refreshed_s = -_REFRESH_S
        self._patient_until_s = 0.0
        self._wishes: dict[str, Wish] = {}
        self._refused: dict[str, int] = {}
        self._removal = Removal(broker, registry, terms)
        self._random = Random()

    def step(self) -> None:
        """Take, renew and give up, as is wished; returns at once.

        Raises:
            BrokerError: a camera's thread met one.
            SourceError: too many cameras hang.
        """
        now_s = time.monotonic()
        if now_s - self._read_s >= _READ_S:
            self._read(now_s)
        for name in list(self._held):
            self._look_after(name)
        for wish in self._wishes.values():
            if wish.removed:
                if wish.name not in self._held:
                    self._removal.see_off(wish)
            elif not wish.paused and len(self._held) < self._terms.most:
                self._take(wish)
        self._refresh(now_s)

    def _read(self, now_s: float) -> None:
        losses, self._read_s = self._registry.losses, now_s
        self._wishes = self._registry.read()
        if self._registry.losses != losses:
            structlog.get_logger().warning("the broker has lost its memory")
            self._patient_until_s = now_s + self._terms.lease_s / 2  # others hold cameras and have yet to say so
            for name, held in list(self._held.items()):
                held.renewed_s = 0.0
                self._renew(name, held)

    @property
    def all_ended(self) -> bool:
        """Whether there are cameras, and each came to its end and has been written by all who must see it."""
        wishes = [wish for wish in self._wishes.values() if not wish.removed]
        return not self._held and bool(wishes) and all(map(self._is_over, wishes))

    def _is_over(self, wish: Wish) -> bool:
        return has_ended(Ledger(self._broker, wish.name).read(), wish)

    def close(self) -> None:
        """Let go of all cameras, so that other decoders may take them at once."""
        for held in self._held.values():
            held.camera.stop()
        deadline_s = time.monotonic() + _STOP_S
        for name, held in self._held.items():
            held.thread.join(max(deadline_s - time.monotonic(), 0.0))
            if not held.thread.is_alive():
                self._broker.release(keys.lease(name), self._terms.owner)
        self._held.clear()

    def _look_after(self, name: str) -> None:
        held, wish = self._held[name], self._wishes.get(name)
        if not held.thread.is_alive():
            held.failure.result()
            self._drop(name)
        elif held.camera.silent_s() > _HUNG_S:
            structlog.get_logger().error("camera hangs, given up", source=name)
            held.camera.stop()
            self._drop(name)
            self._count_hung(held.thread)
        else:
            if wish is None or wish.removed or wish.paused or wish.revision != held.revision:
                held.camera.stop(removed=wish is None or wish.removed)
            self._renew(name, held)

    def _count_hung(self, thread: threading.Thread) -> None:
        self._hung = [*filter(threading.Thread.is_alive, self._hung), thread]
        if len(self._hung) > _MOST_HUNG:
            raise SourceError(f"{len(self._hung)} cameras hang (the last: {thread.name}): the decoder begins anew")

    def _renew(self, name: str, held: _Held) -> None:
        now_s = time.monotonic()
        if now_s - held.renewed_s < self._terms.lease_s / 4:
            return
        held.renewed_s = now_s
        if not self._broker.lease(keys.lease(name), self._terms.owner, self._terms.lease_s):
            structlog.get_logger().warning("another decoder has the camera", source=name)
            held.camera.stop()
            del self._held[name]

    def _drop(self, name: str) -> None:
        del self._held[name]
        self._broker.release(keys.lease(name), self._terms.owner)
        wish = self._wishes.get(name)
        if wish is not None and wish.paused and not wish.removed:
            tell(self._broker, name, "paused")

    def _take(self, wish: Wish) -> None:
        """Begin with a camera that nobody has."""
        known = wish.name in self._held or self._refused.get(wish.name) == wish.revision
        if known or time.monotonic() < self._patient_until_s or has_ended(Ledger(self._broker, wish.name).read(), wish):
            return
        if not self._broker.lease(keys.lease(wish.name), self._terms.owner, self._terms.lease_s):
            return
        try:
            source = CameraSource(url=SecretStr(self._seal.open(wish.url)), **wish.settings)
        except ConfigError as error:
            self._refuse(wish, str(error))
        except ValidationError as error:
            self._refuse(wish, explain(CameraSource, error.errors()[0]))
        else:
            self._held[wish.name] = self._begun(wish, source)

    def _begun(self, wish: Wish, source: CameraSource) -> _Held:
        room = self._room
        feed = Feed(self._broker, self._store, wish.name, source, room.flow, room.slots, wish.revision)
        reporter = Reporter(self._broker, wish.name, feed.tally)
        camera = Camera(self._opener(source, feed.clock), feed, reporter, self._random)
        failure: Future[None] = Future()
        args = (camera, source.connect_s + source.read_s + source.stall_s, failure)
        thread = threading.Thread(target=_run, args=args, name=wish.name, daemon=True)
        thread.start()
        return _Held(camera, thread, failure, wish.revision, time.monotonic())

    def _opener(self, source: CameraSource, clock: CaptureClock) -> Open:
        def open_video(start: int) -> AbstractContextManager[LiveVideo]:
            address = parse(source.url.get_secret_value(), self._variables)
            return opened(address, source, clock, start)

        return open_video

    def _refuse(self, wish: Wish, reason: str) -> None:
        """Leave alone what can't be begun with, until it is changed."""
        self._refused[wish.name] = wish.revision
        tell(self._broker, wish.name, "failed", "settings", reason)
        self._broker.release(keys.lease(wish.name), self._terms.owner)

    def _refresh(self, now_s: float) -> None:
        if now_s - self._refreshed_s >= _REFRESH_S:
            self._refreshed_s = now_s
            for held in self._held.values():
                held.camera.refresh()


def _run(camera: Camera, patience_s: float, failure: Future[None]) -> None:
    try:
        camera.run(patience_s)
    except BaseException as error:  # the top of a thread: the decoder's process raises it
        failure.set_exception(error)
    else:
        failure.set_result(None)
