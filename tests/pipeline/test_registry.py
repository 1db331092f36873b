"""Wishes for cameras: kept by the broker, told again to one that has lost its memory, secrets sealed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import keys
from pipeline.errors import ConfigError
from pipeline.registry import Registry, Wish
from pipeline.seal import Seal
from tests.fakes import MemoryBroker

SECRET: Final = "s3cret"
SEAL: Final = Seal("any long text will do")


def wish(name: str = "gate", url: str = f"rtsp://joe:{SECRET}@cam1/a", seal: Seal = SEAL, **settings: Any) -> Wish:
    return Wish(name, "rtsp://cam1/a", seal.close(url), settings)


@pytest.fixture
def memory() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def registry(memory: MemoryBroker) -> Registry:
    return Registry(memory)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), json_values), st.booleans())
def test_another_process_reads_what_was_put(settings: Mapping[str, Any], paused: bool) -> None:
    broker = MemoryBroker()
    wanted = Wish("gate", "rtsp://cäm/ü", SEAL.close("rtsp://joe:ü@cäm"), settings, paused=paused)
    Registry(broker).put(wanted)
    found = Registry(broker).read()["gate"]
    assert replace(found, revision=0) == wanted


def test_each_change_has_a_greater_revision(registry: Registry) -> None:
    registry.put(wish())
    revisions = [registry.read()["gate"].revision]
    for paused in (True, False):
        revisions.append(registry.change("gate", paused=paused).revision)
    assert revisions == sorted(set(revisions)) and registry.read()["gate"].revision == revisions[-1]


def test_a_change_leaves_the_rest_as_it_is(registry: Registry) -> None:
    registry.put(wish(fps=5))
    paused = registry.change("gate", paused=True)
    assert (paused.paused, paused.removed, paused.settings) == (True, False, {"fps": 5})
    gone = registry.change("gate", removed=True)
    assert (gone.paused, gone.removed) == (True, True)


def test_who_is_not_there_or_was_removed_can_not_be_changed(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="no source 'gate'; there are: none"):
        registry.change("gate", paused=True)
    for name in ("roof", "gate", "yard"):
        registry.put(wish(name))
    registry.change("gate", removed=True)
    with pytest.raises(ConfigError, match="no source 'gate'; there are: roof, yard"):
        registry.change("gate", paused=True)


def test_a_broker_that_has_lost_its_memory_is_told_again(memory: MemoryBroker, registry: Registry) -> None:
    registry.put(wish(fps=5))
    registry.put(wish("yard"))
    registry.change("yard", removed=True)
    known = registry.read()
    memory.hashes.clear()
    assert registry.read() == known
    assert Registry(memory).read() == known


def test_a_reader_that_has_only_looked_tells_a_broker_again_too(memory: MemoryBroker, registry: Registry) -> None:
    registry.put(wish())
    reader = Registry(memory)
    known = reader.read()
    memory.hashes.clear()
    assert reader.read() == Registry(memory).read() == known


def test_what_a_broker_without_memory_was_told_by_another_first_stays(memory: MemoryBroker, registry: Registry) -> None:
    registry.put(wish())
    registry.put(wish("yard", fps=1))
    memory.hashes.clear()
    other = Registry(memory)
    other.put(wish("yard", fps=2))
    other.put(wish("roof"))
    found = registry.read()
    assert found.keys() == {"gate", "yard", "roof"} and found["yard"].settings == {"fps": 2}
    assert Registry(memory).read() == found == other.read()
    assert (registry.losses, other.losses) == (1, 0)


def test_who_knows_nothing_tells_a_broker_nothing(memory: MemoryBroker, registry: Registry) -> None:
    assert registry.read() == {} and memory.hashes.get(keys.REGISTRY, {}) == {}


def test_what_others_have_forgotten_is_not_told_again(memory: MemoryBroker, registry: Registry) -> None:
    registry.put(wish())
    reader = Registry(memory)
    reader.read()
    registry.forget("gate")
    assert registry.read() == reader.read() == {} == Registry(memory).read()


def test_cameras_of_a_file_are_set_once_and_brought_up_to_date(memory: MemoryBroker, registry: Registry) -> None:
    registry.seed({"gate": wish(fps=5)}, SEAL)
    first = registry.read()["gate"]
    assert first.origin == "file"
    Registry(memory).seed({"gate": wish(fps=5)}, SEAL)
    assert registry.read()["gate"] == first
    Registry(memory).seed({"gate": wish(fps=6), "yard": wish("yard")}, SEAL)
    assert {name: found.settings for name, found in registry.read().items()} == {"gate": {"fps": 6}, "yard": {}}


def test_a_password_that_was_changed_in_a_file_is_taken_over(memory: MemoryBroker, registry: Registry) -> None:
    registry.seed({"gate": wish()}, SEAL)
    registry.seed({"gate": wish(url="rtsp://joe:n3w@cam1/a")}, SEAL)
    assert SEAL.open(registry.read()["gate"].url) == "rtsp://joe:n3w@cam1/a"


def test_what_was_sealed_with_a_key_that_is_gone_is_sealed_anew_from_the_file(registry: Registry) -> None:
    old = Seal("the key of last year")
    registry.seed({"gate": wish(seal=old)}, old)
    registry.seed({"gate": wish()}, SEAL)
    assert SECRET in SEAL.open(registry.read()["gate"].url)


def test_a_camera_of_a_file_that_was_paused_or_removed_stays_so(registry: Registry) -> None:
    registry.seed({"gate": wish(), "yard": wish("yard")}, SEAL)
    registry.change("gate", paused=True)
    registry.change("yard", removed=True)
    registry.seed({"gate": wish(fps=2), "yard": wish("yard", fps=2)}, SEAL)
    found = registry.read()
    assert found["gate"].paused and found["gate"].settings == {"fps": 2}
    assert found["yard"].removed and found["yard"].settings == {}


def test_a_camera_that_somebody_has_added_is_not_overruled_by_a_file(registry: Registry) -> None:
    registry.put(wish(fps=5))
    registry.seed({"gate": wish(fps=9)}, SEAL)
    assert registry.read()["gate"].settings == {"fps": 5}


def test_a_camera_that_was_removed_may_be_added_again(registry: Registry) -> None:
    registry.put(wish())
    gone = registry.change("gate", removed=True)
    registry.put(wish())
    assert not registry.read()["gate"].removed and registry.read()["gate"].revision > gone.revision


def test_revisions_grow_though_the_clock_goes_back(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.put(wish())
    before = registry.read()["gate"].revision
    monkeypatch.setattr("pipeline.registry.time.time_ns", lambda: 5)
    registry.put(wish(fps=5))
    changed = registry.read()["gate"].revision
    assert registry.change("gate", paused=True).revision > changed > before


def test_a_secret_is_nowhere_to_be_seen(memory: MemoryBroker, registry: Registry) -> None:
    registry.put(wish())
    assert SECRET not in repr(registry.read()) + str(registry.read()["gate"]) + repr(memory.hashes)
    open_one = wish(seal=Seal(None))
    assert SECRET in open_one.url and SECRET not in repr(open_one)
