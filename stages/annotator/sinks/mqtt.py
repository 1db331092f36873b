"""Messages to an MQTT broker, a topic for each source; Home Assistant may be told what there is.

Guarantee: with `qos: 1` (or 2) at least once, in order: a message counts as taken when the broker answers for it, and
what it didn't answer for is sent again, under the same `id`. With `qos: 0` at most once. Messages that are larger than
the broker takes go to the dead letters. `TOPIC/status` says `online`, or `offline` when this process is gone.
"""

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from pipeline.optional import need
from pipeline.references import expanded, place_of, without_password
from pipeline.settings import variables
from stages.annotator.couriers.home_assistant import counted, device, discovery_topic
from stages.annotator.couriers.mqtt_client import MqttConnection, Publication
from stages.annotator.couriers.parcel import Parcel
from stages.annotator.couriers.peer import Connect, Sending

_TOPIC: Final = r"^[^/+#\x00][^+#\x00]*$"


def _mqtt(url: str) -> str:
    if not url.startswith(("mqtt://", "mqtts://", "${")):
        raise ValueError("give mqtt://HOST or mqtts://USER:${PASSWORD}@HOST:8883")
    return without_password(url)


class MqttSink(Sending):
    """Settings of the messages to an MQTT broker."""

    at_once: ClassVar = 50

    kind: Literal["mqtt"] = "mqtt"
    url: Annotated[str, AfterValidator(_mqtt)]
    topic: str = Field(default="detstream", pattern=_TOPIC, max_length=200)
    """Frames go to `TOPIC/SOURCE/frames`, events to `TOPIC/SOURCE/events`."""
    qos: Literal[0, 1, 2] = 1
    client_id: str = Field(default="", max_length=200)
    """The broker's choice if not given."""
    home_assistant: str | None = Field(default=None, pattern=_TOPIC)
    """Prefix of the discovery topics, by default `homeassistant` there; told nothing if not given."""
    timeout_s: float = Field(default=10.0, gt=0, le=300)
    """Longest wait for an answer."""

    def connector(self, folder: Path) -> Connect:
        """Put in what is named.

        Raises:
            ConfigError: the library is missing, or something that is named is not set.
        """
        need("paho.mqtt.client", "mqtt", "the sink mqtt")
        url = expanded(self.url, variables(), f"the sink {self.name or self.kind}")
        return lambda: Topics(self, url)


class Topics:
    """One connection, and what was told through it."""

    def __init__(self, settings: MqttSink, url: str) -> None:
        self._settings = settings
        status, shown = f"{settings.topic}/status", place_of(url)
        self._connection = MqttConnection(url, shown, settings.client_id, status, settings.qos, settings.timeout_s)
        self._classes: dict[str, set[str]] = {}
        self._counts: dict[str, dict[str, int]] = {}

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Publish them, and what Home Assistant is to know.

        Raises:
            PeerError: the broker doesn't answer for all.
            RefusedError: it refuses one of them.
        """
        told = [item for parcel in parcels for item in self._told(parcel)] if self._settings.home_assistant else []
        own = [
            Publication(f"{self._settings.topic}/{parcel.source}/{parcel.kind}s", parcel.json()) for parcel in parcels
        ]
        self._connection.publish([*told, *own])

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _told(self, parcel: Parcel) -> Iterator[Publication]:
        """Yield what has changed with a parcel: the classes that a source has shown, the counts of objects."""
        source, topic = parcel.source, self._settings.topic
        counts = counted(parcel.body) if parcel.kind == "frame" else {}
        known = self._classes.setdefault(source, set())
        new = {name for name in counts if name != "total"} - known
        if new or source not in self._counts:
            known |= new
            announced = json.dumps(device(source, known, topic, version("detstream"))).encode()
            yield Publication(discovery_topic(self._settings.home_assistant or "", source), announced, retain=True)
            self._counts.setdefault(source, {})
        if counts and counts != self._counts[source]:
            self._counts[source] = counts
            yield Publication(f"{topic}/{source}/objects", json.dumps(counts).encode(), retain=True)
