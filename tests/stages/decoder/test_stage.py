"""One decoder does recordings and cameras side by side, and ends when both are over, or when either can't go on."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from pipeline import keys
from pipeline.errors import BrokerError, ConfigError
from pipeline.ledger import Ledger
from stages.decoder import recordings as recordings_module
from stages.decoder import stage
from stages.decoder.cameras import Cameras
from stages.decoder.following import Following, Opener
from stages.decoder.pace import Pace
from stages.decoder.recordings import Recordings
from stages.decoder.room import Room
from stages.decoder.stage import Decoder
from tests.pipeline.broker_steps import DEADLINE_S, wait_for
from tests.stages.decoder.yard import SIM, Yard
from tests.stages.synthetic import SyntheticVideo


class Clip:
    """A recording of so many frames, or one for which there is no memory."""

    address, size = "clip", 1000

    def contents(self) -> Iterator[bytes]:
        return iter(())

    def __init__(self, length: int, error: Exception | None = None) -> None:
        self._length, self._error = length, error

    def build(self) -> SyntheticVideo:
        if self._error is not None:
            raise self._error
        return SyntheticVideo(self._length)


class House:
    """A decoder in a thread of its own."""

    def __init__(self, yard: Yard, pool: ThreadPoolExecutor) -> None:
        self.yard, self.stop, self._pool = yard, threading.Event(), pool

    def start(self, cameras: Cameras | None, **clips: Opener) -> Future[None]:
        room = Room(self.yard.flow, self.yard.budget, 2, 4)
        following = Following(self.yard.broker, self.yard.store, room, "one", self.stop)
        recordings = Recordings(following, Pace(2, 2), self.stop)
        return self._pool.submit(Decoder(recordings, cameras, self.stop).run, list(clips.items()))

    def is_decoded(self, clip: str, frames: int) -> bool:
        return Ledger(self.yard.broker, clip).read().frames == frames

    def publish_all(self, *names: str) -> None:
        """Be the tracker: say that all there is of these sources is published."""
        for name in names:
            standing = Ledger(self.yard.broker, name).read()
            told = {"published": (standing.frames or 0) - 1, "ended": standing.epoch}
            Ledger(self.yard.broker, name).write(told)


@pytest.fixture
def house(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(stage, "_STEP_S", 0.002)
    monkeypatch.setattr(recordings_module, "_CLAIM_POLL_S", 0.005)
    with ThreadPoolExecutor(2) as pool:
        made = House(yard, pool)
        yield made
        made.stop.set()


def test_without_cameras_it_ends_with_the_recordings(house: House) -> None:
    task = house.start(None, clip=Clip(3))
    wait_for(lambda: house.is_decoded("clip", 3))
    house.publish_all("clip")
    task.result(DEADLINE_S)


def test_it_ends_when_recordings_and_cameras_are_over(house: House) -> None:
    yard = house.yard
    yard.wish("gate", SIM + "&frames=5")
    task = house.start(yard.decoder(), clip=Clip(3))
    wait_for(lambda: house.is_decoded("clip", 3) and "ended" in yard.states())
    house.publish_all("clip")
    assert not task.done()
    house.publish_all("gate")
    task.result(DEADLINE_S)
    assert yard.owners() == {}


def test_cameras_go_on_when_the_recordings_are_over(house: House) -> None:
    yard = house.yard
    yard.wish("gate")
    task = house.start(yard.decoder(), clip=Clip(0))
    wait_for(lambda: house.is_decoded("clip", 0))
    house.publish_all("clip")
    wait_for(yard.is_live)
    captured = yard.standing().number("captured", 0)
    wait_for(lambda: yard.standing().number("captured", 0) > captured + 5)
    assert not task.done()


def test_without_anything_to_do_it_waits_for_cameras(house: House) -> None:
    task = house.start(house.yard.decoder())
    house.yard.wish("gate")
    wait_for(house.yard.is_live)
    assert not task.done()


def test_told_to_stop_it_lets_go_of_everything(house: House) -> None:
    yard = house.yard
    yard.wish("gate")
    task = house.start(yard.decoder(), clip=Clip(10_000))
    wait_for(lambda: yard.is_live() and yard.broker.bodies(keys.FRAMES))
    house.stop.set()
    task.result(DEADLINE_S)
    assert yard.owners() == {} and yard.ends() == []


def test_a_recording_that_can_not_go_on_ends_all_with_its_error(house: House) -> None:
    yard = house.yard
    yard.wish("gate")
    task = house.start(yard.decoder(), clip=Clip(3, ConfigError("memory_mb 64 is too small")))
    with pytest.raises(ConfigError, match="memory_mb 64"):
        task.result(DEADLINE_S)
    assert "gate" not in yard.owners()


def test_cameras_that_can_not_go_on_end_all_with_their_error(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise BrokerError("the broker refused HGETALL")

    cameras = house.yard.decoder()
    monkeypatch.setattr(cameras, "step", refused)
    task = house.start(cameras, clip=Clip(10_000))
    with pytest.raises(BrokerError, match="refused HGETALL"):
        task.result(DEADLINE_S)
    assert house.stop.is_set() and house.yard.owners() == {}
