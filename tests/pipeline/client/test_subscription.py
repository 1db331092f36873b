"""A subscriber gets each frame once and in order, from where it wants, and is told of what it has not got."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

import detstream
from detstream import FrameDetections, FrameFailed, FrameSkipped, Gap, SourceEnd, SourceState, TrimmedError, subscribe
from pipeline import keys
from pipeline.client import feed
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import BrokerError, BrokerUnreachableError, ConfigError
from pipeline.messages import EndOfSource, Event
from pipeline.redis_broker import RedisBroker
from tests.pipeline.client.publishing import NOW_S, event, first, frame, publish, recorded, seqs, state

NOW = datetime.fromtimestamp(NOW_S, UTC)


@pytest.fixture
def url(valkey: EmbeddedBroker, broker: RedisBroker) -> str:
    return valkey.url


def test_every_public_name_is_there() -> None:
    assert all(getattr(detstream, name) is not None for name in detstream.__all__)


def test_latest_is_what_comes_from_now_on(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), frame("yard", 0))
    with subscribe(url, ["gate", "yard"]) as frames:
        publish(broker, frame("gate", 1), frame("yard", 1), frame("gate", 2))
        found = first(frames, 3)
    assert sorted(seqs(found)) == [("gate", 1), ("gate", 2), ("yard", 1)]
    one = found[0]
    assert isinstance(one, FrameDetections)
    assert (one.width, one.height, len(one), one.missed_before) == (640, 480, 2, 0)
    assert one.timestamp == NOW + timedelta(seconds=one.seq / 10) and one.pts_s == one.seq / 10
    assert one.class_name == ("car", "dog") and one.xyxy.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert one.tracker_id.tolist() == [-1, 1] and one.class_id.tolist() == [0, 1]


def test_a_frame_is_what_supervision_takes(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0))
    with subscribe(url, "gate", start="earliest") as frames:
        found = next(frames)
    given = found.to_supervision()
    assert given.xyxy.tolist() == found.xyxy.tolist() and list(given.data["class_name"]) == ["car", "dog"]
    assert given.tracker_id is not None and given.tracker_id.tolist() == [-1, 1]
    assert found[found.confidence > 0.5].class_name == ("car",)
    assert len(found[:0]) == 0 and found[:0].to_supervision().xyxy.shape == (0, 4)


def test_sources_that_match_a_pattern_join_by_themselves(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("gate-1", 0), frame("yard", 0))
    with subscribe(url, ["gate*"]) as frames:
        publish(broker, frame("yard", 1), frame("gate-2", 0), frame("gate-1", 1), frame("gate-2", 1))
        assert sorted(seqs(first(frames, 3))) == [("gate-1", 1), ("gate-2", 0), ("gate-2", 1)]


def test_all_sources_are_given_if_none_is_named(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), frame("yard", 1))
    with subscribe(url, start="earliest") as frames:
        assert seqs(first(frames, 2)) == [("gate", 0), ("yard", 1)]


def test_what_there_is_comes_in_the_order_of_time_over_all_sources_and_then_what_is_new(
    url: str, broker: RedisBroker
) -> None:
    for source, shift_s in (("gate", 0.0), ("yard", 0.5)):
        publish(broker, *(frame(source, seq, at_s=NOW_S + shift_s + seq) for seq in range(150)))
    publish(broker, frame("late", 0, at_s=NOW_S + 120.25))
    with subscribe(url, start="earliest") as frames:
        found = first(frames, 301)
        publish(broker, frame("gate", 150, at_s=NOW_S + 150))
        (new,) = first(frames, 1)
    times = [one.timestamp for one in found if isinstance(one, FrameDetections) and one.timestamp]
    assert len(times) == 301 and times == sorted(times)
    assert [seq for source, seq in seqs(found) if source == "yard"] == list(range(150))
    assert seqs([new]) == [("gate", 150)] and isinstance(new, FrameDetections) and new.missed_before == 0


@pytest.mark.parametrize("start", [NOW + timedelta(seconds=0.5), f"{int(NOW_S * 1000) + 400}-4"])
def test_one_begins_at_a_time_or_behind_an_entry(url: str, broker: RedisBroker, start: Any) -> None:
    publish(broker, *(frame("gate", seq) for seq in range(9)))
    with subscribe(url, "gate", start=start, messages=True, until=NOW + timedelta(seconds=0.7)) as frames:
        assert seqs(list(frames)) == [("gate", 5), ("gate", 6), ("gate", 7)]


def test_so_long_ago_counts_from_now(url: str, broker: RedisBroker) -> None:
    now_s = datetime.now(UTC).timestamp()
    publish(broker, *(frame("gate", seq, at_s=now_s - 10 + seq) for seq in range(10)))
    with subscribe(url, "gate", start=timedelta(seconds=-3.5), until=timedelta(0)) as frames:
        assert seqs(list(frames)) == [("gate", 7), ("gate", 8), ("gate", 9)]


def test_a_recording_without_a_clock_is_joined_where_it_is_though_its_ids_are_not_of_this_century(
    url: str, broker: RedisBroker
) -> None:
    publish(broker, recorded("clip", 0), recorded("clip", 1))
    with subscribe(url, "clip", start=timedelta(minutes=-5)) as frames:
        publish(broker, recorded("clip", 2))
        assert seqs(first(frames, 1)) == [("clip", 2)]


def test_a_subscription_goes_on_where_another_one_was(url: str, broker: RedisBroker) -> None:
    publish(broker, *(frame(source, seq) for seq in range(4) for source in ("gate", "yard")))
    with subscribe(url, start="earliest") as frames:
        first(frames, 3)
        place = frames.position
    with subscribe(url, start=place) as frames:
        assert seqs(first(frames, 5)) == [("yard", 1), ("gate", 2), ("yard", 2), ("gate", 3), ("yard", 3)]


def test_what_was_trimmed_before_it_was_read_is_told(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), frame("gate", 1))
    with subscribe(url, "gate", messages=True) as told, subscribe(url, "gate") as frames:
        publish(broker, *(frame("gate", seq) for seq in range(2, 9)), frame("gate", 11, dropped_before=2))
        broker.trim_before(keys.detections("gate"), f"{int(NOW_S * 1000) + 600}-6")
        gap, *rest = first(told, 5)
        one, *_, last = first(frames, 4)
    assert gap == Gap("gate", 2, 5) and seqs(rest) == [("gate", seq) for seq in (6, 7, 8, 11)]
    assert isinstance(one, FrameDetections) and isinstance(last, FrameDetections)
    assert (one.missed_before, last.missed_before) == (4, 2)


def test_what_was_trimmed_is_an_error_if_that_is_wanted_and_reading_goes_on(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0))
    with subscribe(url, "gate", trimmed="raise") as frames:
        publish(broker, *(frame("gate", seq) for seq in range(1, 5)))
        broker.trim_before(keys.detections("gate"), f"{int(NOW_S * 1000) + 300}-3")
        with pytest.raises(TrimmedError, match=r"^gate: frames 1 to 2 were removed before .*flow\.retain") as told:
            next(frames)
        assert (told.value.source, told.value.first, told.value.last) == ("gate", 1, 2)
        assert seqs(first(frames, 2)) == [("gate", 3), ("gate", 4)]


def test_who_asks_for_more_than_is_kept_is_told(url: str, broker: RedisBroker) -> None:
    publish(broker, *(frame("gate", seq) for seq in range(9)))
    broker.trim_before(keys.detections("gate"), f"{int(NOW_S * 1000) + 500}-5")
    with subscribe(url, "gate", start=NOW, messages=True) as frames:
        assert first(frames, 1) == [Gap("gate", None, 4)]
        assert seqs(first(frames, 1)) == [("gate", 5)]
    with subscribe(url, "gate", start=NOW + timedelta(seconds=0.5), messages=True) as frames:
        assert seqs(first(frames, 1)) == [("gate", 5)]


def test_no_car_is_not_no_camera(url: str, broker: RedisBroker) -> None:
    publish(broker, state("gate", "connecting"), state("gate", "failed", code="auth"), state("shed", "live"))
    with subscribe(url, "gate*", messages=True) as told, subscribe(url, "gate*") as frames:
        publish(broker, state("gate", "live"), state("shed", "stalled"))
        known, live = first(told, 2)
        publish(broker, frame("gate", 0, classes=()))
        none = next(told)
        publish(broker, frame("gate", 1, error="the engine refused it"), frame("gate", 2, classes=(), skipped="motion"))
        failed, skipped = first(told, 2)
        publish(broker, frame("gate", 3), EndOfSource("gate", 1, 9, "the camera is gone", 3))
        seen, end = first(told, 2)
        given = first(frames, 2)
    assert isinstance(known, SourceState) and (known.state, known.code) == ("failed", "auth")
    assert isinstance(live, SourceState) and live.state == "live"
    assert isinstance(none, FrameDetections) and len(none) == 0
    assert isinstance(failed, FrameFailed) and (failed.seq, failed.error) == (1, "the engine refused it")
    assert isinstance(skipped, FrameSkipped) and (skipped.seq, skipped.reason) == (2, "motion")
    assert isinstance(seen, FrameDetections) and seen.seq == 3
    assert isinstance(end, SourceEnd) and (end.frames, end.error) == (9, "the camera is gone")
    assert seqs(given) == [("gate", 0), ("gate", 3)]
    assert isinstance(given[1], FrameDetections) and given[1].missed_before == 2


def test_reading_may_end_with_the_sources(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("a", 0), frame("b", 0), EndOfSource("a", 1, 1))
    with subscribe(url, ["a", "b"], start="earliest", until="end") as frames:
        assert seqs(first(frames, 2)) == [("a", 0), ("b", 0)]
        publish(broker, frame("b", 1), EndOfSource("b", 1, 2))
        assert seqs(list(frames)) == [("b", 1)]


def test_a_recordings_frames_that_are_gone_at_its_end_are_told(url: str, broker: RedisBroker) -> None:
    publish(broker, recorded("clip", 0), recorded("clip", 1))
    with subscribe(url, "clip", messages=True, until="end") as told:
        publish(broker, recorded("clip", 2), EndOfSource("clip", 1, 3))
        broker.trim_before(keys.detections("clip"), f"{int(NOW_S * 1000)}-0")
        gap, end = list(told)
    assert gap == Gap("clip", 2, 2) and isinstance(end, SourceEnd) and end.frames == 3


def test_a_damaged_entry_is_told_with_its_place_and_stops_nobody(url: str, broker: RedisBroker) -> None:
    with subscribe(url, "gate", messages=True) as told:
        with broker.transaction() as transaction:
            transaction.publish(keys.detections("gate"), "7-0", b"\xc1", {})
        publish(broker, frame("gate", 1))
        damaged, fine = first(told, 2)
    assert isinstance(damaged, FrameFailed) and "detections:gate 7-0" in damaged.error
    assert isinstance(fine, FrameDetections) and fine.seq == 1


def test_json_and_msgpack_are_told_apart(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), state("gate", "live"))
    publish(broker, frame("gate", 1), wire="json")
    with subscribe(url, "gate", start="earliest") as frames:
        one, two = first(frames, 2)
    assert isinstance(one, FrameDetections) and isinstance(two, FrameDetections)
    assert one.xyxy.tolist() == two.xyxy.tolist() and one.confidence.tolist() == two.confidence.tolist()


def test_events_come_instead_of_frames(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 0), event("gate", 0), event("yard", 1), state("gate", "live"))
    with subscribe(url, "gate", events=True, start="earliest") as events:
        publish(broker, event("gate", 2, "track_ended"))
        found = first(events, 2)
    assert found == [event("gate", 0), event("gate", 2, "track_ended")] and isinstance(found[0], Event)


def test_a_recording_that_is_done_again_is_told_and_given_again(
    url: str, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_IDLE_S", 0.1)
    publish(broker, *(recorded("clip", seq) for seq in range(9)))
    with subscribe(url, "clip", messages=True) as told:
        broker.delete([keys.detections("clip")])
        publish(broker, recorded("clip", 0), recorded("clip", 1))
        gap, *frames = first(told, 3)
    assert gap == Gap("clip", None, None, "restarted") and seqs(frames) == [("clip", 0), ("clip", 1)]


def test_numbers_that_begin_anew_are_told(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("gate", 7))
    with subscribe(url, "gate", messages=True) as told:
        publish(broker, frame("gate", 0, at_s=NOW_S + 50))
        gap, one = first(told, 2)
    assert gap == Gap("gate", None, None, "restarted") and seqs([one]) == [("gate", 0)]


def test_a_closed_subscription_says_so(url: str) -> None:
    frames = subscribe(url, "gate")
    waiting: list[BaseException] = []

    def wait() -> None:
        try:
            next(frames)
        except BrokerError as error:
            waiting.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    frames.close()
    thread.join(10)
    assert "is closed" in str(waiting[0])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"start": "yesterday"}, 'give "latest", "earliest"'),
        ({"start": timedelta(minutes=5)}, "in the future"),
        ({"until": "tomorrow"}, "give a datetime"),
        ({"sources": ["gate", ""]}, "a name is empty"),
        ({"trimmed": "ignore"}, 'give "tell" or "raise"'),
        ({"consumer": "b1"}, "only in a group"),
        ({"group": "billing", "until": timedelta(0)}, "a group has no end"),
        ({"events": True, "until": "end"}, "have no end"),
    ],
)
def test_an_argument_that_is_wrong_is_said_before_anybody_connects(arguments: Any, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        subscribe("redis://localhost:1", **arguments)


def test_an_option_that_there_is_not_is_named(url: str) -> None:
    with pytest.raises(TypeError, match="no option since"):
        subscribe(url, since="earliest")  # type: ignore[call-overload]


def test_without_a_server_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DETSTREAM_REDIS__URL", raising=False)
    with pytest.raises(ConfigError, match="set DETSTREAM_REDIS__URL"):
        subscribe()
    with pytest.raises(BrokerUnreachableError, match="no broker answered at unix"):
        subscribe("unix:///nowhere/redis", connect_timeout_s=0.1)
    with pytest.raises(BrokerError, match="is no URL of a broker"):
        subscribe("http://localhost")


def test_a_source_that_has_ended_already_is_at_its_end(url: str, broker: RedisBroker) -> None:
    publish(broker, frame("a", 0), EndOfSource("a", 1, 1))
    for start in ("latest", timedelta(0), {"a": f"{round((NOW_S + 9999) * 1000)}-1"}):
        with subscribe(url, "a", start=start, until="end", messages=True) as frames:
            assert list(frames) == []


@pytest.fixture
def reader_url(url: str) -> Iterator[str]:
    """The URL of a user who may read states, and nothing else."""
    with Redis.from_url(url) as client:
        client.execute_command("ACL", "SETUSER", "joe", "on", ">s3cret", "~sources", "+@all")
        yield url.replace("unix://", "unix://joe:s3cret@")
        client.execute_command("ACL", "DELUSER", "joe")


def test_what_the_server_refuses_is_one_line_without_the_password(reader_url: str, url: str) -> None:
    with pytest.raises(BrokerError, match="refused a command") as told:
        subscribe(reader_url, "gate")
    assert "s3cret" not in str(told.value)
    with pytest.raises(BrokerUnreachableError, match="correct user and password"):
        subscribe(reader_url.replace("s3cret", "wrong"), "gate")
    with Redis.from_url(url) as client:
        client.set(keys.detections("gate"), "no stream")
    with pytest.raises(BrokerError, match="WRONGTYPE"):
        subscribe(url, "gate")


def test_a_slow_subscriber_holds_nobody_up(url: str, broker: RedisBroker) -> None:
    with subscribe(url, "gate") as frames:
        publish(broker, *(frame("gate", seq) for seq in range(600)), retain=100)
        with Redis.from_url(url) as client:
            assert client.xlen(keys.detections("gate")) < 250
        one, two = first(frames, 2)
    assert isinstance(one, FrameDetections) and isinstance(two, FrameDetections)
    assert one.missed_before == one.seq > 300 and two.seq == one.seq + 1
