"""Messages reach a real MQTT broker, also one that dies in between; Home Assistant is told what there is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.annotator.sinks.mqtt import MqttSink
from tests.peers.listener import Listener
from tests.peers.mosquitto import Mosquitto
from tests.pipeline.broker_steps import wait_for
from tests.stages.annotator.couriers.parcels import event_parcel, frame_parcel
from tests.stages.annotator.sinks.sending import sending


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path, "max_packet_size 4000")
    yield broker
    broker.kill()


def test_frames_and_events_go_to_topics_of_their_source(mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port) as listener:
        with sending(MqttSink(url=mosquitto.url)) as sender:
            sender.send(frame_parcel(0), event_parcel(0), frame_parcel(1))
            listener.wait_for(lambda: len(listener.at("detstream/gate/frames")) == 2)
        assert [item["id"] for item in listener.at("detstream/gate/frames")] == ["run1/gate/0", "run1/gate/1"]
        assert [item["id"] for item in listener.at("detstream/gate/events")] == ["gate/0-0"]
        states = [payload for topic, payload, _ in listener.heard if topic == "detstream/status"]
        listener.wait_for(lambda: states[-1:] == [b"offline"] or _offline(listener))
        assert states[0] == b"online"


def test_a_broker_that_hangs_for_a_while_loses_nothing(mosquitto: Mosquitto) -> None:
    with Listener(mosquitto.port) as listener, sending(MqttSink(url=mosquitto.url, timeout_s=0.5)) as sender:
        sender.send(*(event_parcel(seq) for seq in range(20)))
        mosquitto.freeze()
        try:
            sender.post(*(event_parcel(seq) for seq in range(20, 60)))
            wait_for(lambda: sender.courier.failing)
        finally:
            mosquitto.thaw()
        sender.send(event_parcel(60))
        listener.wait_for(lambda: any(item["seq"] == 60 for item in listener.at("detstream/gate/events")))
    heard = [item["seq"] for item in listener.at("detstream/gate/events")]
    assert list(dict.fromkeys(heard)) == list(range(61)), "the first copies are complete and in order"


def test_a_broker_that_dies_and_comes_back_is_gone_on_with(mosquitto: Mosquitto) -> None:
    with sending(MqttSink(url=mosquitto.url, timeout_s=2)) as sender:
        sender.send(event_parcel(0))
        mosquitto.kill()
        sender.post(*(event_parcel(seq) for seq in range(1, 60)))
        wait_for(lambda: sender.courier.failing)
        mosquitto.start()
        sender.send(event_parcel(60))
        assert sender.courier.sent["gate"] == 61 and sender.buried == []


def test_what_is_too_large_for_the_broker_is_buried_and_the_rest_goes_on(mosquitto: Mosquitto) -> None:
    large = replace(event_parcel(1), body={"seq": 1, "text": "x" * 5000})
    with Listener(mosquitto.port) as listener, sending(MqttSink(url=mosquitto.url)) as sender:
        sender.send(event_parcel(0), large, event_parcel(2))
        listener.wait_for(lambda: len(listener.at("detstream/gate/events")) >= 2)
        ((parcel, reason),) = sender.buried
    assert parcel.seq == 1 and "up to 4000 bytes" in reason
    assert {item["seq"] for item in listener.at("detstream/gate/events")} == {0, 2}


def test_home_assistant_is_told_of_sources_classes_and_counts(mosquitto: Mosquitto) -> None:
    with sending(MqttSink(url=mosquitto.url, home_assistant="homeassistant")) as sender:
        sender.send(frame_parcel(0), frame_parcel(1), event_parcel(1))
    topic = "homeassistant/device/detstream_gate/config"
    with Listener(mosquitto.port) as late:
        late.wait_for(lambda: bool(late.at(topic)) and bool(late.at("detstream/gate/objects")))
        (device,), (counts,) = late.at(topic), late.at("detstream/gate/objects")
        assert all(retained for _, _, retained in late.heard)
    assert counts == {"total": 2, "car": 1, "person": 1}
    parts = device["components"]
    assert set(parts) == {"objects", "objects_detstream_car", "objects_detstream_person", "events"}
    assert parts["events"]["state_topic"] == "detstream/gate/events" and "crossed" in parts["events"]["event_types"]
    assert device["availability_topic"] == "detstream/status" and device["device"]["name"] == "gate"
    assert len({part["unique_id"] for part in parts.values()}) == 4


def test_a_wrong_address_is_refused_at_once() -> None:
    with pytest.raises(ValidationError, match="give mqtt://HOST"):
        MqttSink(url="http://host")
    with pytest.raises(ValidationError, match="a password is written as"):
        MqttSink(url="mqtts://joe:secret@host")


def _offline(listener: Listener) -> bool:
    return ("detstream/status", b"offline") in [(topic, payload) for topic, payload, _ in listener.heard]
