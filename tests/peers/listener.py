"""Who hears what is published at an MQTT broker."""

import json
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion


class Listener:
    """Hears all topics; comes back by itself when the broker does."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._changed, self._subscribed = threading.Condition(), threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "listener", protocol=MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def again(self) -> None:
        """Wait until it hears again, after the broker has been away."""
        self._subscribed.clear()
        assert self._subscribed.wait(20)

    def at(self, topic: str) -> list[Any]:
        """Return what was heard at a topic, as JSON has it."""
        with self._changed:
            return [json.loads(payload) for name, payload, _ in self.heard if name == topic]

    def wait_for(self, ready: Callable[[], bool], deadline_s: float = 20.0) -> None:
        with self._changed:
            assert self._changed.wait_for(ready, deadline_s), [topic for topic, _, _ in self.heard]

    def _subscribe(self, client: Client, *_: Any) -> None:
        client.subscribe("#", 1)

    def _hear(self, client: Client, _: Any, message: MQTTMessage) -> None:
        with self._changed:
            self.heard.append((message.topic, bytes(message.payload), message.retain))
            self._changed.notify_all()
