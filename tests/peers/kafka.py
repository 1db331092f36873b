"""A broker that speaks Kafka's protocol, in a process of its own that can be frozen and killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

_SERVER: Final = Path(__file__).with_name("kafka_server.py")


class MockKafka:
    """librdkafka's mock cluster of one broker."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, str(_SERVER)], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.servers = self._process.stdout.readline().strip()

    def freeze(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def records(self, topic: str, count: int, deadline_s: float = 20.0) -> list[tuple[bytes, bytes, bytes]]:
        """Return key, header `id` and value of the first records in a topic; more than `count` if there are more."""
        consumer = Consumer(
            {"bootstrap.servers": self.servers, "group.id": "test", "auto.offset.reset": "earliest", "log_level": 0}
        )
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        found: list[tuple[bytes, bytes, bytes]] = []
        until_s = time.monotonic() + deadline_s
        try:
            while time.monotonic() < until_s:
                message = consumer.poll(0.5)
                if message is None or message.error():
                    if len(found) >= count:
                        break
                    continue
                ident: Any = dict(cast(list[tuple[str, bytes]], message.headers()))["id"]
                found.append((message.key() or b"", ident, message.value() or b""))
        finally:
            consumer.close()
        return found
