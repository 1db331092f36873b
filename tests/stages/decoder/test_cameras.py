"""Decoders share the cameras that are wished for: each is held by one, and none is lost with its decoder."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Final

import pytest
from pydantic import SecretStr

from pipeline import keys
from pipeline.errors import BrokerError, SourceError
from pipeline.ledger import Ledger
from pipeline.messages import FrameMeta
from pipeline.registry import Registry
from pipeline.seal import Seal
from stages.decoder import cameras as module
from stages.decoder.live.captured import LiveVideo
from stages.decoder.live.opening import opened
from stages.decoder.sources.camera import CameraSource
from stages.decoder.wishes import wish_of
from tests.pipeline.broker_steps import DEADLINE_S
from tests.stages.decoder.live.scripted import ScriptedVideo, Step, endless
from tests.stages.decoder.yard import LEASE_S, SEAL, SIM, Yard

QUICK: Final[dict[str, Any]] = {"connect_s": 0.01, "read_s": 0.01, "stall_s": 0.01}


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let cameras whose seed is 666 hang when they are opened, until the event is set."""
    released = threading.Event()

    @contextmanager
    def hang(address: Any, *rest: Any) -> Iterator[LiveVideo]:
        if "seed=666" not in address.url:
            with opened(address, *rest) as video:
                yield video
        else:
            assert released.wait(DEADLINE_S)
            yield ScriptedVideo(endless(500))

    monkeypatch.setattr(module, "opened", hang)
    monkeypatch.setattr(module, "_HUNG_S", 0.0)
    yield released
    released.set()


HANGS: Final = SIM + "&seed=666"


def test_what_is_wished_for_is_looked_at(yard: Yard) -> None:
    yard.wish("gate")
    yard.wish("yard", "sim://${SCENE}?fps=200&size=128x96", fps=20)
    yard.decoder()
    yard.until(lambda: yard.is_live("gate", "yard"))
    assert yard.owners() == {"gate": "one", "yard": "one"}
    assert float(yard.standing("yard").fields["fps"]) == 20.0
    assert yard.standing("yard").number("width", 0) == 128
    assert yard.states("gate") == ["connecting", "live"]


def test_one_that_is_wished_for_later_needs_no_restart(yard: Yard) -> None:
    yard.wish("gate")
    decoder = yard.decoder()
    yard.until(yard.is_live)
    epoch = yard.standing().epoch
    yard.wish("yard")
    yard.until(lambda: yard.is_live("gate", "yard"))
    assert yard.standing().epoch == epoch and not decoder.all_ended


def test_decoders_take_no_more_than_they_may_and_another_takes_the_rest(yard: Yard) -> None:
    names = ("a", "b", "c", "d", "e")
    for name in names:
        yard.wish(name)
    first, second = yard.decoder("one", most=2), yard.decoder("two", most=2)
    yard.until(lambda: len(yard.owners()) == 4 and yard.is_live(*yard.owners()))
    assert sorted(yard.owners().values()) == ["one", "one", "two", "two"]
    (left,) = set(names) - yard.owners().keys()
    assert yard.standing(left).epoch == 0
    third = yard.decoder("three", most=2)
    yard.until(lambda: yard.is_live(left), first, second, third)
    assert yard.owners()[left] == "three"


def test_a_place_that_becomes_free_is_taken(yard: Yard) -> None:
    yard.wish("a")
    yard.wish("b")
    yard.decoder(most=1)
    yard.until(lambda: len(yard.owners()) == 1 and yard.is_live(*yard.owners()))
    (held,) = yard.owners()
    yard.registry.change(held, removed=True)
    other = "b" if held == "a" else "a"
    yard.until(lambda: yard.is_live(other))
    assert yard.owners() == {other: "one"}


def test_the_camera_of_a_decoder_that_says_nothing_is_taken_over_when_its_lease_is_over(yard: Yard) -> None:
    yard.wish("gate")
    first, second = yard.decoder("one"), yard.decoder("two")
    yard.until(yard.is_live, first)
    epoch = yard.standing().epoch
    yard.now_s = LEASE_S - 0.1
    second.step()
    assert yard.owners() == {"gate": "one"}
    yard.now_s = LEASE_S + 0.1
    yard.until(lambda: yard.standing().epoch > epoch and yard.is_live(), second)
    assert yard.owners() == {"gate": "two"}
    thread = first._held["gate"].thread
    thread.join(DEADLINE_S)
    assert not thread.is_alive()  # its first frame after that was refused
    for _ in range(3):
        first.step()
    assert yard.owners() == {"gate": "two"} and first._held == {}


def test_frames_of_two_decoders_never_have_the_same_number(yard: Yard) -> None:
    yard.wish("gate")
    seen: list[FrameMeta] = []
    decoders = [yard.decoder(str(number)) for number in range(4)]
    for number, decoder in enumerate(decoders):
        yard.now_s += LEASE_S + 1  # the one before is frozen, but for its thread
        for _ in range(20):
            yard.until(lambda: yard.broker.bodies(keys.LIVE), decoder)
            if (meta := yard.look()) is not None:
                seen.append(meta)
            threading.Event().wait(0.003)
            decoder.step()
        assert yard.owners() == {"gate": str(number)}
    assert len({meta.epoch for meta in seen}) >= 3
    for before, after in pairwise(seen):
        assert after.seq > before.seq and after.epoch >= before.epoch
        assert (after.timestamp_s or 0) > (before.timestamp_s or 0)


def test_a_decoder_that_finds_its_lease_with_another_lets_go_at_once(yard: Yard) -> None:
    yard.wish("gate")
    decoder = yard.decoder(lease_s=0.01)
    yard.until(yard.is_live)
    thread = decoder._held["gate"].thread
    yard.broker.leases[keys.lease("gate")] = ("two", 1e9)
    yard.until(lambda: not decoder._held)
    thread.join(DEADLINE_S)
    assert not thread.is_alive() and yard.owners() == {"gate": "two"}


def test_leases_are_renewed_as_long_as_it_works(yard: Yard) -> None:
    yard.wish("gate")
    first, second = yard.decoder("one", lease_s=0.02), yard.decoder("two", lease_s=0.02)
    yard.until(yard.is_live, first)
    epoch = yard.standing().epoch
    for _ in range(30):
        until_s = yard.broker.leases[keys.lease("gate")][1]
        yard.now_s += 0.015
        yard.until(lambda: yard.broker.leases[keys.lease("gate")][1] > until_s, first)  # noqa: B023 - called at once
        second.step()
    assert yard.owners() == {"gate": "one"} and yard.standing().epoch == epoch


def test_one_that_is_paused_is_let_go_and_goes_on_when_it_is_resumed(yard: Yard) -> None:
    yard.wish("gate")
    decoder = yard.decoder()
    yard.until(lambda: yard.is_live() and yard.standing().number("captured", 0) > 3)
    yard.registry.change("gate", paused=True)
    yard.until(lambda: yard.states()[-1] == "paused")
    assert yard.owners() == {} and decoder._held == {} and yard.ends() == []
    captured = yard.standing().number("captured", 0)
    for _ in range(5):
        decoder.step()
    assert yard.standing().number("captured", 0) == captured
    yard.registry.change("gate", paused=False)
    yard.until(yard.is_live)
    yard.until(lambda: yard.standing().number("captured", 0) > captured)
    assert yard.states() == ["connecting", "live", "paused", "connecting", "live"]
    assert yard.standing().number("reconnects", 0) == 1


def test_one_that_is_removed_comes_to_its_end_and_may_be_added_again(yard: Yard) -> None:
    yard.wish("gate")
    yard.wish("yard")
    yard.decoder()
    yard.until(lambda: yard.is_live("gate", "yard"))
    other = yard.standing("yard").epoch
    yard.registry.change("gate", removed=True)
    yard.until(lambda: yard.states()[-1] == "ended" and "gate" not in yard.owners())
    (end,) = yard.ends()
    assert (end.source, end.epoch, end.error) == ("gate", yard.standing().epoch, None) and end.frames > 0
    yard.wish("gate")
    yard.until(yard.is_live)
    look = yard.look
    yard.until(lambda: (meta := look()) is not None and meta.seq >= end.frames)
    assert yard.standing("yard").epoch == other and len(yard.ends()) == 1


def test_one_that_is_removed_while_no_decoder_has_it_comes_to_its_end_too(yard: Yard) -> None:
    yard.wish("gate")
    dead, second = yard.decoder("one"), yard.decoder("two")
    yard.until(yard.is_live, dead)
    dead.close()
    yard.registry.change("gate", removed=True)
    yard.until(lambda: yard.states()[-1] == "ended", second)
    assert [end.source for end in yard.ends()] == ["gate"] and yard.owners() == {}


def test_changed_settings_begin_that_camera_anew_and_no_other(yard: Yard) -> None:
    yard.wish("gate", fps=5)
    yard.wish("yard")
    yard.decoder()
    yard.until(lambda: yard.is_live("gate", "yard"))
    epochs = [yard.standing(name).epoch for name in ("gate", "yard")]
    yard.wish("gate", fps=9)
    yard.until(lambda: yard.standing("gate").epoch > epochs[0] and yard.is_live("gate"))
    assert float(yard.standing("gate").fields["fps"]) == 9.0
    assert yard.standing("yard").epoch == epochs[1] and yard.ends() == []


@pytest.mark.parametrize("wished", ["nothing", "paused", "removed", "changed"])
def test_one_that_hangs_is_given_up_and_another_takes_it(yard: Yard, hanging: threading.Event, wished: str) -> None:
    yard.wish("gate", HANGS, **QUICK)
    yard.wish("yard")
    decoder = yard.decoder()
    yard.until(lambda: yard.is_live("yard") and yard.standing().epoch)
    thread, epoch = decoder._held["gate"].thread, yard.standing().epoch
    if wished == "changed":
        yard.wish("gate")
    elif wished != "nothing":
        yard.registry.change("gate", **{wished: True})
    yard.until(lambda: "gate" not in decoder._held or decoder._held["gate"].thread is not thread)
    assert thread.is_alive()
    if wished in ("paused", "removed"):
        yard.until(lambda: "gate" not in yard.owners() and yard.states()[-1] in ("paused", "ended"))
    else:
        yard.until(lambda: yard.standing().epoch > epoch)
    hanging.set()  # what comes back then, comes too late
    thread.join(DEADLINE_S)
    assert not thread.is_alive() and yard.is_live("yard")
    assert len(yard.ends()) == int(wished == "removed")


def test_one_that_comes_back_from_hanging_changes_nothing(yard: Yard, hanging: threading.Event) -> None:
    yard.wish("gate", HANGS, **QUICK)
    decoder = yard.decoder()
    yard.until(lambda: "gate" in decoder._held)
    thread = decoder._held["gate"].thread
    yard.wish("gate")
    yard.until(lambda: yard.is_live())
    states, epoch = yard.states(), yard.standing().epoch
    hanging.set()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert yard.states() == states and yard.standing().epoch == epoch and yard.ends() == []
    look = yard.look
    yard.until(lambda: (meta := look()) is not None and meta.epoch == epoch)


def test_a_decoder_in_which_camera_after_camera_hangs_begins_anew(
    yard: Yard, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_HUNG", 3)
    yard.wish("gate", HANGS, **QUICK)
    yard.decoder()
    with pytest.raises(SourceError, match=r"4 cameras hang .*gate"):
        yard.until(lambda: False)


def test_a_wait_that_its_settings_allow_is_no_hanging(yard: Yard) -> None:
    yard.wish("gate", "images:nowhere", connect_s=20, read_s=30, stall_s=40)
    decoder = yard.decoder()
    yard.until(lambda: "gate" in decoder._held and yard.states())
    yard.wish("yard", SIM, connect_s=20, read_s=30, stall_s=40)
    yard.until(lambda: yard.is_live("yard"))
    assert decoder._held["yard"].camera.silent_s() < -80


@pytest.mark.parametrize(
    ("settings", "seal", "said"),
    [
        ({}, Seal("another long text"), "a source's URL was sealed with another DETSTREAM_SECRET_KEY: use that one"),
        ({"fps": -1}, SEAL, "fps: -1: Input should be greater than 0"),
        ({"colour": "red"}, SEAL, "colour: no such key; allowed: url, fps, roi"),
    ],
)
def test_one_that_can_not_be_begun_with_is_told_once_and_left_alone_until_it_is_changed(
    yard: Yard, settings: dict[str, Any], seal: Seal, said: str
) -> None:
    wish = wish_of("gate", CameraSource(url=SecretStr(SIM)), seal)
    yard.registry.put(type(wish)(wish.name, wish.shown, wish.url, settings))
    yard.wish("yard")
    yard.decoder()
    yard.until(lambda: yard.is_live("yard") and yard.states())
    for _ in range(5):
        yard.decoders[0].step()
    (told,) = [told for told in yard.told() if told.source == "gate"]
    assert (told.state, told.code) == ("failed", "settings") and said in (told.error or "")
    assert yard.owners() == {"yard": "one"}
    yard.wish("gate")
    yard.until(yard.is_live)


def test_a_url_whose_variable_is_not_set_is_tried_until_it_is_right(yard: Yard) -> None:
    yard.wish("gate", "sim://${NOT_SET}")
    yard.decoder()
    yard.until(lambda: "failed" in yard.states())
    assert "NOT_SET" in yard.standing().text("state_error") and yard.owners() == {"gate": "one"}


def test_one_with_an_end_is_over_and_is_not_begun_with_again(yard: Yard) -> None:
    yard.wish("gate", SIM + "&frames=5")
    decoder = yard.decoder()
    assert not decoder.all_ended
    yard.until(lambda: "ended" in yard.states())
    assert not decoder.all_ended
    Ledger(yard.broker, "gate").write({"ended": yard.standing().epoch})
    yard.until(lambda: decoder.all_ended)
    for _ in range(5):
        decoder.step()
    assert yard.states() == ["connecting", "live", "ended"] and yard.owners() == {}
    yard.wish("gate", SIM + "&frames=500")
    yard.until(yard.is_live)
    assert not decoder.all_ended


def test_without_a_camera_nothing_has_ended(yard: Yard) -> None:
    decoder = yard.decoder()
    decoder.step()
    assert not decoder.all_ended


def test_let_go_of_all_are_free_for_others_at_once(yard: Yard) -> None:
    yard.wish("gate")
    yard.wish("yard")
    first, second = yard.decoder("one"), yard.decoder("two")
    yard.until(lambda: yard.is_live("gate", "yard"), first)
    first.close()
    assert yard.owners() == {} and yard.ends() == []
    yard.until(lambda: len(yard.owners()) == 2, second)
    assert set(yard.owners().values()) == {"two"}


def test_letting_go_does_not_wait_for_one_that_hangs_and_keeps_its_lease(
    yard: Yard, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STOP_S", 2.0)  # time enough for the other one on any machine
    yard.wish("gate", HANGS)
    yard.wish("yard")
    decoder = yard.decoder()
    yard.until(lambda: yard.is_live("yard") and "gate" in decoder._held)
    decoder.close()
    assert yard.owners() == {"gate": "one"}


def test_an_error_of_the_broker_in_a_cameras_thread_is_the_decoders(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> Iterator[Step]:
        raise BrokerError("the broker refused HSET")
        yield  # type: ignore[unreachable]

    @contextmanager
    def refusing(*args: Any) -> Iterator[LiveVideo]:
        yield ScriptedVideo(refused())

    monkeypatch.setattr(module, "opened", refusing)
    yard.wish("gate")
    yard.decoder()
    with pytest.raises(BrokerError, match="refused HSET"):
        yard.until(lambda: False)


def test_a_broker_that_has_lost_its_memory_is_told_again(yard: Yard) -> None:
    yard.wish("gate")
    yard.decoder()
    yard.until(yard.is_live)
    yard.broker.hashes.clear()
    yard.broker.leases.clear()
    yard.broker.sets.clear()
    yard.until(lambda: Registry(yard.broker).read().keys() == {"gate"} and yard.standing().number("captured", 0))
    assert yard.standing().text("state") == "live"
