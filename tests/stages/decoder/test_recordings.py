"""A decoder follows its sources to their end, each under a lease, and leaves what others hold alone."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from pipeline import keys
from pipeline.errors import ConfigError, SourceError
from pipeline.ledger import Ledger
from pipeline.memory import Budget
from pipeline.messages import EndOfSource, FrameMeta
from pipeline.settings import FlowSettings
from pipeline.wire import decode
from stages.decoder import following, recordings
from stages.decoder.following import Following
from stages.decoder.pace import Pace
from stages.decoder.recordings import Find, Recordings
from stages.decoder.room import Room
from stages.decoder.source import SourceFacts
from tests.fakes import MemoryBroker
from tests.fakes_store import MemoryStore
from tests.pipeline.broker_steps import DEADLINE_S, wait_for
from tests.planes import assert_same
from tests.stages.synthetic import SIDE, SyntheticVideo, full_of

FLOW: Final = FlowSettings(picture_size=(SIDE, SIDE))
_PAUSE_S: Final = 0.005


@dataclass
class Opener:
    make: Callable[[], SyntheticVideo]
    address: str = "synthetic"
    size: int = 1000
    pieces: tuple[bytes, ...] = (b"some ", b"bytes")
    videos: list[SyntheticVideo] = field(default_factory=list)

    def contents(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def build(self) -> SyntheticVideo:
        self.videos.append(self.make())
        return self.videos[-1]


def video(length: int = 5) -> Opener:
    return Opener(lambda: SyntheticVideo(length))


class Site:
    """A broker, a store, decoders in threads, and an annotator that is done with everything at once."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.now_s = 0.0
        self.broker, self.store = MemoryBroker(clock=lambda: self.now_s), MemoryStore()
        self.stops: list[threading.Event] = []
        self._pool = pool

    def start(
        self,
        owner: str,
        sources: dict[str, Opener],
        budget_mb: int = 64,
        parallel: int = 2,
        find: Find | None = None,
        *,
        hashes: bool = False,
        ready: str | None = None,
    ) -> Future[None]:
        """Run a decoder in a thread; of which sources the annotator has said where it is: of all if not given."""
        self.stops.append(threading.Event())
        room = Room(FLOW, Budget(budget_mb), parallel)
        for source in sources if ready is None else ready:
            if not self.ledger(source).read().ready(FLOW.required):
                self.ledger(source).write({"done.annotator": -1})
        follower = Following(self.broker, self.store, room, owner, self.stops[-1], hashes=hashes)
        decoder = Recordings(follower, Pace(parallel, parallel), self.stops[-1], find)
        return self._pool.submit(decoder.run, list(sources.items()))

    def ledger(self, source: str) -> Ledger:
        return Ledger(self.broker, source)

    @contextmanager
    def annotator(self) -> Iterator[None]:
        over = threading.Event()

        def follow() -> None:
            while not over.wait(_PAUSE_S):
                for source in self.broker.members(keys.SOURCES):
                    standing = self.ledger(source).read()
                    self.ledger(source).write({"done.annotator": standing.decoded - 1})
                    if standing.frames is not None:
                        self.ledger(source).write({"finished.annotator": 1})

        task = self._pool.submit(follow)
        yield
        over.set()
        task.result(DEADLINE_S)

    def announced(self, source: str) -> list[tuple[int, int]]:
        found = [decode(body) for body in self.broker.bodies(keys.FRAMES)]
        return [(meta.epoch, meta.seq) for meta in found if isinstance(meta, FrameMeta) and meta.source == source]

    def ends(self) -> list[EndOfSource]:
        found = [decode(body) for body in self.broker.bodies(keys.RAW)]
        return [message for message in found if isinstance(message, EndOfSource)]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(recordings, "_CLAIM_POLL_S", _PAUSE_S)
    with ThreadPoolExecutor(8) as pool:
        made = Site(pool)
        yield made
        for stop in made.stops:
            stop.set()


def test_every_source_is_followed_to_its_end(site: Site) -> None:
    sources = {name: video(length) for name, length in (("a", 3), ("b", 0), ("c", 30))}
    with site.annotator():
        site.start("one", sources).result(DEADLINE_S)
    assert {end.source: end.frames for end in site.ends()} == {"a": 3, "b": 0, "c": 30}
    assert [seq for _, seq in site.announced("c")] == list(range(30))
    assert all(video.closed for opener in sources.values() for video in opener.videos)
    assert not [name for name, epochs in site.store.writers.items() for writer in epochs.values() if not writer.closed]
    assert site.broker.leases == {}


def test_no_more_sources_are_open_than_may_be(site: Site) -> None:
    opened, most = set(), []

    def counting(name: str) -> Opener:
        def before(seq: int) -> None:
            opened.add(name)
            most.append(len([other for other in opened if not site.ledger(other).read().finished(FLOW.required)]))

        return Opener(lambda: SyntheticVideo(4, before=before))

    with site.annotator():
        site.start("one", {name: counting(name) for name in "abcde"}, parallel=2).result(DEADLINE_S)
    assert opened == set("abcde") and max(most) <= 2


def test_a_finished_source_is_not_opened_again(site: Site) -> None:
    site.ledger("a").write({"finished.annotator": 1})
    opener = video()
    site.start("one", {"a": opener}).result(DEADLINE_S)
    assert opener.videos == [] and site.broker.leases == {}


def test_pixels_stay_until_the_last_consumer_has_finished(site: Site) -> None:
    task = site.start("one", {"a": video(2)})
    wait_for(lambda: site.ledger("a").read().frames == 2)
    assert_same(site.store.full("a", site.ledger("a").read().epoch, 1), full_of(1))
    site.ledger("a").write({"finished.annotator": 1})
    task.result(DEADLINE_S)
    assert all(writer.closed for writer in site.store.writers["a"].values())


def test_a_source_that_another_decoder_holds_is_left_alone_until_it_is_given_back(site: Site) -> None:
    site.broker.lease(keys.lease("a"), "other", 5)
    with site.annotator():
        task = site.start("one", {"a": video(), "b": video()})
        wait_for(lambda: site.ledger("b").read().finished(FLOW.required))
        assert site.ledger("a").read().epoch == 0
        site.broker.release(keys.lease("a"), "other")
        task.result(DEADLINE_S)
    assert len(site.announced("a")) == 5


def test_sources_that_another_decoder_holds_keep_nobody_from_the_others(site: Site) -> None:
    sources = {name: video() for name in ("gate", "yard", "roof")}
    assert all(site.broker.lease(keys.lease(name), "decoder-0", 60) for name in ("gate", "yard"))
    with site.annotator():
        ended = site.start("decoder-1", sources)
        wait_for(lambda: site.ledger("roof").read().finished(("annotator",)))
        assert not site.ledger("gate").read().epoch and not site.ledger("yard").read().epoch
        for name in ("gate", "yard"):
            site.broker.release(keys.lease(name), "decoder-0")
        ended.result(DEADLINE_S)
    assert all(site.ledger(name).read().frames == 5 for name in sources)


def test_the_source_of_a_decoder_that_died_is_taken_over_where_its_consumers_are(site: Site) -> None:
    dead = site.ledger("a").begin_epoch()
    site.broker.lease(keys.lease("a"), "dead", 5)
    site.ledger("a").write({"done.annotator": 2, "published": 2})
    task = site.start("one", {"a": video(6)})
    site.now_s = 4.9
    assert not site.broker.lease(keys.lease("a"), "one", 0)
    site.now_s = 5.1
    wait_for(lambda: site.ledger("a").read().frames == 6)
    epoch = site.ledger("a").read().epoch
    assert epoch > dead and site.announced("a") == [(epoch, seq) for seq in (3, 4, 5)]
    site.stops[0].set()
    task.result(DEADLINE_S)


def test_a_decoder_that_has_lost_its_lease_stops_and_comes_back_when_it_may(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LEASE_S", 10 * _PAUSE_S)
    task = site.start("one", {"a": video(10)})
    wait_for(lambda: site.ledger("a").read().frames == 10)
    epoch = site.ledger("a").read().epoch
    while not site.broker.lease(keys.lease("a"), "other", 5):  # it may renew its own in between
        site.now_s += 1.0
    wait_for(lambda: all(writer.closed for writer in site.store.writers["a"].values()))
    site.broker.release(keys.lease("a"), "other")
    with site.annotator():
        task.result(DEADLINE_S)
    assert site.ledger("a").read().epoch > epoch


def test_an_epoch_that_began_while_the_broker_forgot_decodes_nothing(site: Site) -> None:
    ledger = site.ledger("a")
    ledger.write({"path": "synthetic", "done.annotator": 2, "published": 2})
    begin, forgotten = Ledger.begin_epoch, threading.Event()

    def forgetting(self: Ledger, **how: Any) -> int:
        if not forgotten.is_set():
            site.broker.hashes.clear()
            forgotten.set()
        return begin(self, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "begin_epoch", forgetting)
        task = site.start("one", {"a": video(6)})
        wait_for(forgotten.is_set)
        wait_for(lambda: ledger.read().text("path"))
    assert site.announced("a") == []
    ledger.write({"done.annotator": 2, "published": 2})
    wait_for(lambda: ledger.read().frames == 6)
    assert [seq for _, seq in site.announced("a")] == [3, 4, 5]
    ledger.write({"finished.annotator": 1})
    task.result(DEADLINE_S)


def test_a_rewind_begins_a_new_epoch_from_the_positions_of_the_consumers(site: Site) -> None:
    task = site.start("one", {"a": video(6)})
    wait_for(lambda: site.ledger("a").read().frames == 6)
    first = site.ledger("a").read().epoch
    site.ledger("a").write({"published": 5, "done.annotator": 2})
    site.ledger("a").request_rewind()
    wait_for(lambda: len(site.ends()) == 2)
    second = site.ends()[1].epoch
    assert second > first
    assert sorted(site.store.writers["a"][second].frames) == [3, 4, 5]
    assert [epoch for epoch, _ in site.announced("a")] == [first] * 6
    site.ledger("a").write({"finished.annotator": 1})
    task.result(DEADLINE_S)


def test_a_source_that_can_not_be_opened_ends_with_the_reason_and_the_others_go_on(site: Site) -> None:
    def missing() -> SyntheticVideo:
        raise SourceError("a.mp4 does not exist")

    with site.annotator():
        site.start("one", {"a": Opener(missing), "b": video(3)}).result(DEADLINE_S)
    ends = {end.source: end for end in site.ends()}
    assert (ends["a"].frames, ends["a"].error, ends["b"].frames) == (0, "a.mp4 does not exist", 3)
    assert site.ledger("a").read().error == "a.mp4 does not exist"


def test_too_little_memory_ends_all(site: Site) -> None:
    class Huge(SyntheticVideo):
        @property
        def facts(self) -> SourceFacts:
            return SourceFacts(20_000, 20_000, 25, None, None, None, "none")

    task = site.start("one", {"a": video(), "b": Opener(lambda: Huge(3))})
    with pytest.raises(ConfigError, match=r"set it to \d+ or more"):
        task.result(DEADLINE_S)
    assert keys.lease("a") not in site.broker.leases


def test_told_to_stop_it_gives_its_sources_back(site: Site) -> None:
    task = site.start("one", {"a": video(10_000)})
    wait_for(lambda: site.announced("a"))
    epoch = site.ledger("a").read().epoch
    site.stops[0].set()
    task.result(DEADLINE_S)
    assert site.broker.leases == {}
    assert site.ends() == []
    assert site.ledger("a").read().epoch > epoch  # nobody waits for pixels that are gone


def test_a_window_in_the_settings_only_narrows_what_memory_allows() -> None:
    room = Room(FLOW.model_copy(update={"window": 7}), Budget(64), 1)
    assert (room.window(1000), room.window(48 * 2**20 // 7)) == (7, 5)


def test_the_next_recordings_are_announced_while_one_is_read(site: Site) -> None:
    task = site.start("one", {name: video() for name in "abcde"}, parallel=1, ready="a")
    wait_for(lambda: site.ledger("a").read().epoch)
    wait_for(lambda: site.broker.members(keys.SOURCES) >= {"a", "b"})
    assert "e" not in site.broker.members(keys.SOURCES) and not site.ledger("b").read().epoch
    site.stops[0].set()
    task.result(DEADLINE_S)


def test_recordings_that_come_later_are_followed_too_and_it_does_not_end(site: Site) -> None:
    later = [[("b", video())], [("c", video())]]
    with site.annotator():
        for name in "bc":
            site.ledger(name).write({"done.annotator": -1})
        task = site.start("one", {"a": video()}, find=lambda: later.pop() if later else [])
        wait_for(lambda: {end.source for end in site.ends()} == {"a", "b", "c"})
        assert not task.done()
        site.stops[0].set()
        task.result(DEADLINE_S)


def test_what_a_recording_holds_is_told_by_its_hash_if_wanted(site: Site) -> None:
    with site.annotator():
        site.start("one", {"a": video()}, hashes=True).result(DEADLINE_S)
        site.start("two", {"b": video()}).result(DEADLINE_S)
    assert site.ledger("a").read().text("sha256") == hashlib.sha256(b"some bytes").hexdigest()
    assert "sha256" not in site.ledger("b").read().fields


def test_a_recording_that_can_not_be_read_fails_where_it_is_opened_and_not_for_its_hash(site: Site) -> None:
    class Locked(Opener):
        def contents(self) -> Iterator[bytes]:
            raise PermissionError(13, "no")

    opener = Locked(lambda: SyntheticVideo(5))
    with site.annotator():
        site.start("one", {"a": opener}, hashes=True).result(DEADLINE_S)
    assert site.ends()[0].frames == 5 and "sha256" not in site.ledger("a").read().fields
