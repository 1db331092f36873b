"""A camera that was removed comes to its end though its decoder is gone, and leaves no trace in the long run."""

from dataclasses import replace
from typing import Final

import pytest

from pipeline import keys
from pipeline.ledger import Ledger
from pipeline.messages import EndOfSource, SourceState
from pipeline.registry import Registry, Wish
from pipeline.seal import Seal
from pipeline.wire import decode
from stages.decoder import removal
from stages.decoder.live.states import end_camera
from stages.decoder.removal import Removal, Terms, has_ended
from tests.fakes import MemoryBroker

GATE: Final = Wish("gate", "rtsp://cam1/a", "plain:rtsp://cam1/a", {})


class Site:
    """A camera that was begun with and then removed; any decoder may see it off."""

    def __init__(self, broker: MemoryBroker | None = None) -> None:
        self.broker = broker or MemoryBroker()
        self.registry, self.ledger = Registry(self.broker), Ledger(self.broker, "gate")
        self.registry.put(GATE)
        self.epoch = self.ledger.begin_epoch(live=True)
        self.ledger.write({"captured": 40})

    def removed(self) -> Wish:
        return self.registry.change("gate", removed=True)

    def decoder(self, owner: str = "one") -> Removal:
        return Removal(self.broker, self.registry, Terms(owner, 4, 10.0))

    def ends(self) -> list[EndOfSource]:
        found = [decode(body) for body in self.broker.bodies(keys.RAW_LIVE)]
        return [message for message in found if isinstance(message, EndOfSource)]

    def states(self) -> list[str]:
        found = [decode(body) for body in self.broker.bodies(keys.STATES)]
        return [message.state for message in found if isinstance(message, SourceState)]


@pytest.fixture
def site() -> Site:
    return Site()


def test_the_end_that_a_dead_decoder_could_not_tell_is_told_once(site: Site) -> None:
    wish = site.removed()
    for owner in ("one", "one", "two"):
        site.decoder(owner).see_off(wish)
    (end,) = site.ends()
    assert (end.source, end.frames, end.error, end.last) == ("gate", 40, None, None)
    assert end.epoch == site.ledger.read().epoch > site.epoch
    assert site.states() == ["ended"] and site.ledger.read().text("state") == "ended"
    assert site.broker.leases == {}


def test_what_its_decoder_still_holds_is_its_decoders_to_end(site: Site) -> None:
    site.broker.lease(keys.lease("gate"), "another", 10.0)
    site.decoder().see_off(site.removed())
    assert site.ends() == [] and site.ledger.read().epoch == site.epoch


def test_a_camera_that_has_ended_is_not_ended_again(site: Site) -> None:
    end_camera(site.broker, site.ledger, EndOfSource("gate", site.epoch, 40), GATE.revision)
    site.decoder().see_off(site.removed())
    assert len(site.ends()) == 1 and site.states() == []


def test_a_camera_that_was_never_begun_with_has_no_end() -> None:
    site = Site()
    site.broker.delete(site.ledger.all_keys())
    site.decoder().see_off(site.removed())
    assert site.ends() == [] and site.states() == []


class Late(MemoryBroker):
    """Hands out a lease after another decoder has had it."""

    def __init__(self) -> None:
        super().__init__()
        self.others: list[Removal] = []
        self.wish = GATE

    def lease(self, key: str, owner: str, ttl_s: float) -> bool:
        while self.others:
            self.others.pop().see_off(self.wish)
        return super().lease(key, owner, ttl_s)


def test_two_decoders_that_look_at_once_tell_one_end() -> None:
    broker = Late()
    site = Site(broker)
    broker.wish = site.removed()
    broker.others = [site.decoder("two")]
    site.decoder("one").see_off(broker.wish)
    assert len(site.ends()) == 1 and site.states() == ["ended"] and broker.leases == {}


def test_its_last_messages_stay_for_a_while(site: Site) -> None:
    wish = site.removed()
    for _ in range(3):
        site.decoder().see_off(wish)
    assert "gate" in site.registry.read() and site.broker.members(keys.SOURCES) == {"gate"}


def test_then_no_trace_of_it_is_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.broker.offer(keys.live("gate"), site.epoch, 39, b"", b"")
    with site.broker.transaction() as transaction:
        transaction.publish(keys.detections("gate"), "1-0", b"", {})
        transaction.set_fields(keys.checkpoint("gate"), {"following": 40})
    site.registry.put(replace(GATE, name="yard"))
    wish = site.removed()
    site.decoder().see_off(wish)
    monkeypatch.setattr(removal, "_FORGET_AFTER_NS", 0)
    site.decoder().see_off(wish)
    assert site.registry.read().keys() == {"yard"} == Registry(site.broker).read().keys()
    assert site.broker.members(keys.SOURCES) == set()
    left = {*site.broker.hashes, *site.broker.streams}
    assert left == {keys.REGISTRY, keys.EPOCHS, keys.LIVE, keys.RAW_LIVE, keys.STATES}


def test_a_camera_of_a_file_that_was_removed_does_not_come_back_with_the_next_decoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(removal, "_FORGET_AFTER_NS", 0)
    site = Site()
    site.registry.forget("gate")
    site.registry.seed({"gate": GATE}, Seal(None))
    wish = site.removed()
    for _ in range(2):
        site.decoder().see_off(wish)
    assert site.broker.members(keys.SOURCES) == set() and keys.ledger("gate") not in site.broker.hashes
    Registry(site.broker).seed({"gate": GATE}, Seal(None))
    assert Registry(site.broker).read()["gate"].removed
    monkeypatch.setattr(site.broker, "delete", None)
    site.decoder().see_off(wish)  # of which nothing is left to be removed


def test_a_camera_that_has_ended_is_begun_with_again_only_if_it_is_wished_for_anew(site: Site) -> None:
    wish = site.registry.read()["gate"]
    assert not has_ended(site.ledger.read(), wish)
    end_camera(site.broker, site.ledger, EndOfSource("gate", site.epoch, 40), wish.revision)
    assert has_ended(site.ledger.read(), wish)
    site.registry.put(GATE)
    assert not has_ended(site.ledger.read(), site.registry.read()["gate"])
    site.ledger.begin_epoch(live=True)
    assert not has_ended(site.ledger.read(), wish)


def test_it_is_so_though_the_clocks_of_the_two_are_apart(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = site.registry.read()["gate"]
    end_camera(site.broker, site.ledger, EndOfSource("gate", site.epoch, 40), wish.revision)
    monkeypatch.setattr("pipeline.registry.time.time_ns", lambda: 5)  # where the command runs
    site.registry.put(GATE)
    assert not has_ended(site.ledger.read(), site.registry.read()["gate"])
    hours_ahead = replace(wish, revision=wish.revision + 10**16)
    end_camera(site.broker, site.ledger, EndOfSource("gate", site.epoch, 40), hours_ahead.revision)
    assert has_ended(site.ledger.read(), hours_ahead)
