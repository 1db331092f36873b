"""A camera is followed whatever it does: each state is told with its reason, and only the end is the end."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

import pytest
import structlog
from structlog.testing import capture_logs

from pipeline import keys
from pipeline.errors import BrokerError, CameraError, ConfigError, FrameStoreError
from pipeline.ledger import Ledger
from pipeline.messages import EndOfSource, SourceState
from pipeline.settings import FlowSettings
from pipeline.wire import decode
from stages.decoder.live.camera import Camera, Open
from stages.decoder.live.captured import LiveVideo
from stages.decoder.live.feed import Feed
from stages.decoder.live.settings import LiveSettings
from stages.decoder.live.states import Reporter
from tests.fakes import MemoryBroker
from tests.fakes_store import MemoryStore
from tests.pipeline.broker_steps import DEADLINE_S, wait_for
from tests.stages.decoder.live.scripted import Script, ScriptedVideo, Step, endless, shot
from tests.stages.synthetic import SIDE

SECRET: Final = "s3cret"
FLOW: Final = FlowSettings(picture_size=(SIDE, SIDE))
SETTINGS: Final = LiveSettings.model_validate({"url": "rtsp://cam/x"})
GONE: Final = CameraError("gone", "the connection is closed by the camera")
PATIENCE_S: Final = 5.0


class Quick(Random):
    """Lets nobody wait, and notes how long one would have waited at most."""

    def __init__(self) -> None:
        super().__init__()
        self.longest: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        self.longest.append(b)
        return 0.0


class Longest(Random):
    def uniform(self, a: float, b: float) -> float:
        return b


class Post:
    """One camera in a thread of its own."""

    def __init__(self) -> None:
        self.broker, self.random = MemoryBroker(), Quick()
        self.errors: list[BaseException] = []
        self._store = MemoryStore()
        self._threads: list[threading.Thread] = []
        self.cameras: list[Camera] = []

    def follow(self, *takes: Iterable[Step] | Exception) -> Script:
        script = Script(list(takes))
        self.start(script.open)
        return script

    def start(self, open_video: Open, random: Random | None = None, patience_s: float = PATIENCE_S) -> None:
        feed = Feed(self.broker, self._store, "gate", SETTINGS, FLOW, lambda slot_bytes, fps: 8)
        reporter = Reporter(self.broker, "gate", feed.tally)
        self.cameras.append(Camera(open_video, feed, reporter, random or self.random))
        thread = threading.Thread(target=self._run, args=(self.cameras[-1], patience_s), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, camera: Camera, patience_s: float) -> None:
        try:
            camera.run(patience_s)
        except BaseException as error:
            self.errors.append(error)

    @property
    def camera(self) -> Camera:
        return self.cameras[-1]

    @property
    def alive(self) -> bool:
        return self._threads[-1].is_alive()

    def stop(self, *, removed: bool = False) -> None:
        """Stop all, and wait until they have ended."""
        for camera in self.cameras:
            camera.stop(removed=removed)
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()

    def told(self) -> list[SourceState]:
        found = [decode(body) for body in self.broker.bodies(keys.STATES)]
        return [message for message in found if isinstance(message, SourceState)]

    def states(self) -> list[str]:
        return [told.state for told in self.told()]

    def reaches(self, *states: str) -> None:
        """Wait until these states, and no others before them, have been told."""
        wait_for(lambda: len(self.states()) >= len(states))
        assert self.states()[: len(states)] == list(states)

    def ends(self) -> list[EndOfSource]:
        found = [decode(body) for body in self.broker.bodies(keys.RAW_LIVE)]
        return [message for message in found if isinstance(message, EndOfSource)]

    def shows(self, text: str) -> bool:
        """Return whether a text is anywhere in the broker."""
        streams = [stream.entries for stream in self.broker.streams.values()]
        return text in repr((streams, self.broker.hashes))


@pytest.fixture
def post() -> Iterator[Post]:
    structlog.reset_defaults()  # a command that ran in this process may have left out the lesser lines
    made = Post()
    yield made
    made.stop()


def frames(count: int, first: int = 0) -> list[Step]:
    return [shot(first + number) for number in range(count)]


def test_a_camera_is_connected_to_and_then_live(post: Post) -> None:
    script = post.follow(endless())
    post.reaches("connecting", "live")
    first, second = post.told()
    assert (first.code, second.code, second.reconnects) == (None, None, 0)
    wait_for(lambda: post.broker.bodies(keys.LIVE))
    post.stop()
    assert script.starts == [0] and script.closed == 1 and not post.errors


def test_it_is_live_when_a_frame_has_come_and_not_before(post: Post) -> None:
    begun, go = threading.Event(), threading.Event()
    post.follow(_held(begun, go))
    assert begun.wait(DEADLINE_S) and post.states() == ["connecting"]
    go.set()
    post.reaches("connecting", "live")


def _held(begun: threading.Event, go: threading.Event) -> Iterator[Step]:
    yield begun.set
    yield lambda: go.wait(DEADLINE_S)
    yield from endless()


def test_one_that_stalls_is_connected_to_again_and_that_is_told_and_counted(post: Post) -> None:
    script = post.follow([*frames(3), CameraError("stalled", "no frame came")], endless())
    post.reaches("connecting", "live", "stalled", "reconnecting", "live")
    stalled, again, live = post.told()[2:5]
    assert (stalled.code, stalled.error) == (again.code, again.error) == ("stalled", "no frame came")
    assert (live.code, live.error, live.reconnects) == (None, None, 1)
    assert script.starts == [0, 3]


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (CameraError("auth", "wrong password"), "failed", "auth"),
        (CameraError("not_found", "no such stream"), "failed", "not_found"),
        (CameraError("codec", "no decoder"), "failed", "codec"),
        (CameraError("refused", "refused"), "reconnecting", "refused"),
        (CameraError("timeout", "no answer"), "reconnecting", "timeout"),
        (CameraError("unreachable", "no way"), "reconnecting", "unreachable"),
        (CameraError("tls", "no TLS"), "reconnecting", "tls"),
        (CameraError("format", "no video"), "reconnecting", "format"),
        (GONE, "reconnecting", "gone"),
        (ConfigError("NOT_SET is not set"), "failed", "settings"),
        (FrameStoreError("the disk is full"), "failed", "no_room"),
        (RuntimeError("what is this"), "failed", "internal"),
    ],
)
def test_each_trouble_has_its_state_and_is_tried_again_until_it_is_over(
    post: Post, error: Exception, state: str, code: str
) -> None:
    post.follow(error, error, endless())
    post.reaches("connecting", state, "live")
    trouble = post.told()[1]
    assert (trouble.code, bool(trouble.error)) == (code, True)
    ledger = Ledger(post.broker, "gate").read()
    assert (ledger.text("state"), ledger.text("code"), ledger.text("last_code")) == ("live", "", code)


def test_another_trouble_in_the_same_state_is_told_too(post: Post) -> None:
    refused, late = CameraError("refused", "refused"), CameraError("timeout", "no answer")
    post.follow(refused, refused, late, refused, endless())
    post.reaches("connecting", "reconnecting", "reconnecting", "reconnecting", "live")
    told = post.told()
    assert [state.code for state in told] == [None, "refused", "timeout", "refused", None]
    assert told[1].since_ns == told[3].since_ns < told[4].since_ns


def test_a_trouble_that_began_while_it_was_live_is_told(post: Post) -> None:
    post.follow([*frames(2), FrameStoreError("the disk is full")], endless(2))
    post.reaches("connecting", "live", "failed", "live")
    assert post.told()[2].error == "the disk is full"


def test_waits_grow_with_each_failure_and_are_long_for_a_wrong_password(post: Post) -> None:
    post.follow(*[GONE] * 5, *[CameraError("auth", "wrong password")] * 2, endless())
    post.reaches("connecting", "reconnecting", "failed", "live")
    assert post.random.longest[:5] == [0.5, 1, 2, 4, 8]
    assert min(post.random.longest[5:7]) >= 60


def test_a_wait_of_minutes_ends_when_it_is_told_to_stop(post: Post) -> None:
    post.start(Script([CameraError("auth", "wrong password")]).open, Longest())
    post.reaches("connecting", "failed")
    assert post.camera.silent_s() < 0
    began_s = time.monotonic()
    post.stop()
    assert time.monotonic() - began_s < DEADLINE_S and post.states() == ["connecting", "failed"]


def test_numbers_go_on_over_reconnects(post: Post) -> None:
    script = post.follow([*frames(3), GONE], GONE, [*frames(4), GONE], endless())
    wait_for(lambda: len(script.starts) == 4)
    assert script.starts == [0, 3, 3, 7]
    assert script.closed == 2


def test_what_nobody_foresaw_ends_no_camera_and_betrays_no_secret(post: Post) -> None:
    url = f"rtsp://joe:{SECRET}@cam1/stream1"

    def leak() -> None:
        raise ValueError(f"no idea what to do with {url}")

    with capture_logs() as lines:
        post.follow(KeyError(url), [*frames(1), leak], endless())
        post.reaches("connecting", "failed", "live", "failed", "live")
    assert {told.error for told in post.told() if told.code} == {
        "unexpected KeyError; the decoder's log says where",
        "unexpected ValueError; the decoder's log says where",
    }
    assert not post.shows(SECRET) and SECRET not in repr(lines)
    assert [line["kind"] for line in lines if line["event"] == "unexpected"] == ["KeyError", "ValueError"]
    assert "in leak" in next(line["where"] for line in lines if line.get("kind") == "ValueError")


def test_a_broker_that_refuses_ends_it(post: Post) -> None:
    post.follow([BrokerError("the broker refused HSET")])
    wait_for(lambda: not post.alive)
    assert [str(error) for error in post.errors] == ["the broker refused HSET"]


def test_one_that_another_decoder_has_is_left_without_a_word(post: Post) -> None:
    go = threading.Event()
    script = post.follow([*frames(1), lambda: go.wait(DEADLINE_S), *frames(1, 1)])
    post.reaches("connecting", "live")
    Feed(post.broker, MemoryStore(), "gate", SETTINGS, FLOW, lambda slot_bytes, fps: 8)
    go.set()
    wait_for(lambda: not post.alive)
    assert post.states() == ["connecting", "live"] and post.ends() == [] and not post.errors
    assert script.closed == 1


def test_trouble_with_one_that_another_decoder_has_is_not_told(post: Post) -> None:
    go = threading.Event()
    post.follow([*frames(1), lambda: go.wait(DEADLINE_S), GONE])
    post.reaches("connecting", "live")
    Feed(post.broker, MemoryStore(), "gate", SETTINGS, FLOW, lambda slot_bytes, fps: 8)
    go.set()
    wait_for(lambda: not post.alive)
    assert post.states() == ["connecting", "live"] and not post.errors


def test_one_that_comes_to_its_end_is_over_when_all_have_seen_it(post: Post) -> None:
    post.follow(frames(3))
    post.reaches("connecting", "live", "ended")
    (end,) = post.ends()
    assert (end.frames, end.error) == (3, None)
    assert post.alive and post.camera.silent_s() < PATIENCE_S
    Ledger(post.broker, "gate").write({"ended": end.epoch, "finished.annotator": end.epoch})
    wait_for(lambda: not post.alive)
    assert not post.errors


def test_one_that_has_ended_waits_for_nobody_when_told_to_stop(post: Post) -> None:
    post.follow(frames(3))
    post.reaches("connecting", "live", "ended")
    post.stop()
    assert len(post.ends()) == 1


@pytest.mark.parametrize("removed", [False, True])
def test_stopped_it_is_somebody_elses_and_removed_it_is_over(post: Post, removed: bool) -> None:
    post.follow(endless())
    post.reaches("connecting", "live")
    post.stop(removed=removed)
    assert post.states()[2:] == (["ended"] if removed else [])
    assert len(post.ends()) == int(removed)


def test_one_that_is_removed_while_it_is_away_is_over_with_what_was_wrong(post: Post) -> None:
    post.start(Script([GONE]).open, Longest())
    post.reaches("connecting", "reconnecting")
    post.stop(removed=True)
    assert post.states() == ["connecting", "reconnecting", "ended"]
    assert post.told()[-1].code == "gone"


def test_numbers_are_up_to_date_when_it_has_been_let_go(post: Post) -> None:
    count = 40
    done = threading.Event()
    post.follow([*frames(count), done.set, lambda: wait_for(lambda: post.camera._stop.is_set()), *frames(1, count)])
    assert done.wait(DEADLINE_S)
    post.stop()
    assert Ledger(post.broker, "gate").read().number("captured", 0) == count


def test_a_wait_that_is_longer_than_it_may_be_is_silence(post: Post) -> None:
    post.start(_until(released := threading.Event()), patience_s=0.05)
    wait_for(lambda: post.camera.silent_s() > 0)
    released.set()


def _until(event: threading.Event) -> Open:
    @contextmanager
    def open_video(start: int) -> Iterator[LiveVideo]:
        event.wait(DEADLINE_S)
        yield ScriptedVideo([])

    return open_video


def test_frames_and_failures_are_signs_of_life(post: Post) -> None:
    post.follow(endless(), GONE)
    post.reaches("connecting", "live")
    for _ in range(20):
        assert post.camera.silent_s() < 0
        threading.Event().wait(0.005)


def test_a_camera_that_gives_a_frame_now_and_then_is_not_silent_in_between(post: Post) -> None:
    event = threading.Event()

    @contextmanager
    def rarely(start: int) -> Iterator[LiveVideo]:
        yield ScriptedVideo([shot(0), lambda: event.wait(DEADLINE_S)], fps=0.01)

    post.start(rarely)
    post.reaches("connecting", "live")
    wait_for(lambda: post.camera.silent_s() < -90)
    event.set()


def test_states_are_told_in_the_log_with_their_reason(post: Post) -> None:
    with capture_logs() as lines:
        post.follow(CameraError("refused", "the connection is refused"), endless())
        post.reaches("connecting", "reconnecting", "live")
        wait_for(lambda: len([line for line in lines if line.get("source") == "gate"]) == 3)
    told = [(line["log_level"], line["event"], line.get("code")) for line in lines if line.get("source") == "gate"]
    assert told == [
        ("info", "connecting", None),
        ("warning", "reconnecting", "refused"),
        ("info", "live", None),
    ]
