"""A connection to an MQTT broker whose publishing waits for the answers."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from pipeline.errors import PeerError, RefusedError

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_KEEPALIVE_S: Final = 30
_REFUSED: Final = (0x90, 0x95, 0x99)
"""Topic name invalid, packet too large, payload format invalid (MQTT 5, section 2.4)."""
_FAILURE: Final = 0x80
_HEAD: Final = 64
"""More bytes than what is around topic and payload."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published where."""

    topic: str
    payload: bytes
    retain: bool = False


class MqttConnection:
    """Speaks MQTT 5; says `online` at a topic, and `offline` there when it is gone, however that comes."""

    def __init__(self, url: str, shown: str, client_id: str, status_topic: str, qos: int, timeout_s: float) -> None:
        """Connect.

        Raises:
            PeerError: nobody answers, or refuses.
        """
        self._shown, self._status, self._qos, self._timeout_s = shown, status_topic, qos, timeout_s
        self._changed = threading.Condition()
        self._connected: bool | None = None
        self._trouble = "no answer"
        self._answers: dict[int, int] = {}
        self._largest: int | None = None
        self._client = self._opened(url, client_id)
        if not self._is_welcome():
            self.close()
            raise PeerError(f"{shown}: {self._trouble}")
        self.publish([Publication(status_topic, b"online", retain=True)])

    def publish(self, publications: Sequence[Publication]) -> None:
        """Publish all, and return when the broker answers for all.

        Raises:
            PeerError: it doesn't answer for all.
            RefusedError: it takes one of them for invalid, or too large.
        """
        for item in publications:
            if self._largest is not None and len(item.payload) + len(item.topic.encode()) + _HEAD > self._largest:
                raise RefusedError(f"{self._shown} takes packets up to {self._largest} bytes: this one is larger")
        mids = [self._client.publish(item.topic, item.payload, self._qos, item.retain).mid for item in publications]
        with self._changed:
            self._changed.wait_for(lambda: not self._connected or self._has_all(mids), self._timeout_s)
            codes = [self._answers.pop(mid, None) for mid in mids]
        if any(code in _REFUSED for code in codes):
            raise RefusedError(f"{self._shown} refuses a message (reason {max(filter(None, codes)):#x})")
        if any(code is None or code >= _FAILURE for code in codes):
            raise PeerError(f"{self._shown}: {self._trouble}")

    def close(self) -> None:
        """Say good-bye, and hang up."""
        if self._connected:
            self._client.publish(self._status, b"offline", 0, retain=True)
        self._client.disconnect()
        self._client.loop_stop()

    def _opened(self, url: str, client_id: str) -> "Client":
        from paho.mqtt.client import Client, MQTTv5
        from paho.mqtt.enums import CallbackAPIVersion

        parts = urlsplit(url)
        client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv5, reconnect_on_failure=False)
        client.on_connect, client.on_disconnect, client.on_publish = self._is_on, self._is_off, self._is_published
        client.will_set(self._status, b"offline", 1, retain=True)
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or "") or None)
        if parts.scheme == "mqtts":
            client.tls_set()
        client.connect_timeout = self._timeout_s
        try:
            client.connect(parts.hostname or "localhost", parts.port or _PORTS[parts.scheme], _KEEPALIVE_S)
        except OSError as error:
            raise PeerError(f"{self._shown}: {error.strerror or error}") from error
        client.loop_start()
        return client

    def _is_welcome(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._connected is not None, self._timeout_s)
            return bool(self._connected)

    def _has_all(self, mids: Sequence[int]) -> bool:
        return all(mid in self._answers for mid in mids)

    def _is_on(self, client: "Client", _: Any, flags: Any, code: "ReasonCode", properties: Any) -> None:
        with self._changed:
            self._connected = not code.is_failure
            self._trouble = str(code) if code.is_failure else "no answer"
            self._largest = getattr(properties, "MaximumPacketSize", None)
            self._changed.notify_all()

    def _is_off(self, client: "Client", _: Any, flags: Any, code: "ReasonCode", properties: Any) -> None:
        with self._changed:
            self._connected, self._trouble = False, f"disconnected ({code})"
            self._changed.notify_all()

    def _is_published(self, client: "Client", _: Any, mid: int, code: "ReasonCode", properties: Any) -> None:
        with self._changed:
            self._answers[mid] = int(code.value)
            self._changed.notify_all()
