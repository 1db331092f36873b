"""Decoders on one broker, whose clock is the test's, and people who wish for cameras."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from pydantic import SecretStr

from pipeline import keys
from pipeline.ledger import Ledger, Standing
from pipeline.memory import Budget
from pipeline.messages import EndOfSource, FrameMeta, SourceState
from pipeline.registry import Registry
from pipeline.seal import Seal
from pipeline.settings import FlowSettings
from pipeline.wire import decode
from stages.decoder.cameras import Cameras
from stages.decoder.removal import Terms
from stages.decoder.room import Room
from stages.decoder.sources.camera import CameraSource
from stages.decoder.wishes import wish_of
from tests.fakes import MemoryBroker
from tests.fakes_store import MemoryStore
from tests.pipeline.broker_steps import DEADLINE_S
from tests.stages.synthetic import SIDE

SIM: Final = "sim://street?fps=200&size=96x96&objects=0"
SEAL: Final = Seal("any long text will do")
LEASE_S: Final = 10.0


class Yard:
    """Decoders on one broker whose clock is the test's, and people who wish for cameras."""

    flow: Final = FlowSettings(picture_size=(SIDE, SIDE), required=())
    budget: Final = Budget(512)

    def __init__(self) -> None:
        self.now_s = 0.0
        self.broker, self.store = MemoryBroker(clock=lambda: self.now_s), MemoryStore()
        self.registry = Registry(self.broker)
        self.decoders: list[Cameras] = []
        self._bound: dict[str, FrameMeta] = {}

    def wish(self, name: str, url: str = SIM, seal: Seal = SEAL, **settings: Any) -> None:
        self.registry.put(wish_of(name, CameraSource(url=SecretStr(url), **settings), seal))

    def decoder(self, owner: str = "one", most: int = 4, lease_s: float = LEASE_S) -> Cameras:
        room, terms = Room(self.flow, self.budget, 0, 4), Terms(owner, most, lease_s)
        registry = Registry(self.broker)
        decoder = Cameras(self.broker, self.store, registry, room, terms, SEAL, {"SCENE": "street"})
        self.decoders.append(decoder)
        return decoder

    def until(self, condition: Callable[[], Any], *working: Cameras) -> None:
        """Let decoders work, all if none is named, until the condition holds."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline_s, "waited in vain"
            for decoder in working or self.decoders:
                decoder.step()
            threading.Event().wait(0.002)

    def standing(self, name: str = "gate") -> Standing:
        return Ledger(self.broker, name).read()

    def is_live(self, *names: str) -> bool:
        return all(self.standing(name).text("state") == "live" for name in names or ("gate",))

    def owners(self) -> dict[str, str]:
        """Return who has each camera."""
        leases = {key: owner for key, (owner, until_s) in self.broker.leases.items() if until_s > self.now_s}
        return {key.removeprefix("lease:"): owner for key, owner in leases.items()}

    def states(self, name: str = "gate") -> list[str]:
        return [told.state for told in self.told() if told.source == name]

    def told(self) -> list[SourceState]:
        found = [decode(body) for body in self.broker.bodies(keys.STATES)]
        return [message for message in found if isinstance(message, SourceState)]

    def ends(self) -> list[EndOfSource]:
        found = [decode(body) for body in self.broker.bodies(keys.RAW_LIVE)]
        return [message for message in found if isinstance(message, EndOfSource)]

    def look(self, name: str = "gate") -> FrameMeta | None:
        """Take a camera's newest frame, as a detector does; None if there is none."""
        for bound in self.broker.bind(1000):
            meta = decode(bound.meta)
            assert isinstance(meta, FrameMeta)
            self._bound[meta.source] = meta
        return self._bound.pop(name, None)
