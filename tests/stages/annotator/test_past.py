"""A broker that knows nothing is told all that is on disk, before anybody goes on from there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline import keys
from pipeline.ledger import Ledger
from stages.annotator.journal import NO_TRACKS, Journal, KeptTracks
from stages.annotator.lines import line_of
from stages.annotator.past import Past
from stages.tracker.channel import Channel
from stages.tracker.settings import TrackerSettings
from stages.tracker.stage import Tracker
from tests.fakes import MemoryBroker
from tests.stages.tracker.scenes import SOURCE, numbers, published, scene

FRAMES: Final = 20
KEPT: Final = 8
"""The frame before which the tracks are kept."""
FPS: Final = 12.5


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, SOURCE)


@pytest.fixture
def past(tmp_path: Path, journal: Journal) -> Past:
    path = tmp_path / f"{SOURCE}.jsonl"
    path.write_bytes(b"".join(map(line_of, scene(7, FRAMES))))
    return Past(journal, path)


def tracker(broker: MemoryBroker) -> Tracker:
    return Tracker(broker, "one", lambda source, live: Channel(broker, source, TrackerSettings(tracking=None)))


def restored(past: Past, broker: MemoryBroker) -> Iterator[None]:
    restoring = past.restore(broker, Ledger(broker, SOURCE))
    next(restoring)
    return restoring


def test_it_is_not_over_before_all_is_published_again(past: Past) -> None:
    broker = MemoryBroker()
    restoring = restored(past, broker)
    assert next(restoring, "over") is None
    tracker(broker).step(0)
    assert numbers(broker) == [*range(FRAMES)]
    assert next(restoring, "over") == "over"


def test_a_new_epoch_behind_it_finds_nothing_left_to_lose(past: Past) -> None:
    broker = MemoryBroker()
    restoring, one = restored(past, broker), tracker(broker)
    while next(restoring, "over") != "over":
        one.step(0)
    assert Ledger(broker, SOURCE).read().published == FRAMES - 1
    assert len(broker.stream(keys.RAW).groups[keys.TRACKER].pending) == 0


def test_a_broker_that_forgets_once_more_is_told_once_more(past: Past) -> None:
    broker = MemoryBroker()
    restoring = restored(past, broker)
    broker.streams.clear()
    broker.hashes.clear()
    next(restoring)
    one = tracker(broker)
    while next(restoring, "over") != "over":
        one.step(0)
    assert numbers(broker) == [*range(FRAMES)]


def test_the_tracker_goes_on_from_its_state_and_at_its_rate(past: Past, journal: Journal) -> None:
    past.begin(FPS)
    assert journal.tracks() == KeptTracks(0, FPS, b"")
    past.begin(30.0)  # another process, later
    past.keep_tracks({"4": b"four", str(KEPT): b"eight", "16": b"ahead"}, KEPT - 1, FPS)
    assert journal.tracks() == KeptTracks(KEPT, FPS, b"eight")
    broker = MemoryBroker()
    restored(past, broker)
    told: dict[str, Any] = broker.hashes[keys.checkpoint(SOURCE)]
    assert (told["following"], told["tracks"]) == (b"%d" % KEPT, b"eight")
    standing = Ledger(broker, SOURCE).read()
    assert (float(standing.fields["fps"]), standing.number("resumed", 0), standing.made) == (FPS, FRAMES, 0)
    tracker(broker).step(0)
    assert [entry["id"][1] for entry in published(broker)] == [*range(KEPT, FRAMES)]


def test_a_state_ahead_of_the_lines_is_not_gone_by(past: Past, journal: Journal) -> None:
    journal.keep_tracks(KeptTracks(FRAMES + 2, FPS, b"of lines that somebody has cut"))
    broker = MemoryBroker()
    restored(past, broker)
    assert broker.hashes[keys.checkpoint(SOURCE)]["following"] == b"0"


def test_a_state_that_is_damaged_counts_as_none(tmp_path: Path, journal: Journal) -> None:
    journal.keep_tracks(KeptTracks(KEPT, FPS, b"state"))
    path = next((tmp_path / ".detstream").glob("*.tracks"))
    path.write_bytes(path.read_bytes()[:7])
    assert journal.tracks() == NO_TRACKS
