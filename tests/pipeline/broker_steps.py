"""What the suites of the brokers do over and over."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from pipeline.broker import Broker, Delivery, Group

CLAIM_AFTER_S: Final = 0.05
DEADLINE_S: Final = 10.0


def append(broker: Broker, stream: str, *bodies: bytes) -> None:
    with broker.transaction() as transaction:
        for body in bodies:
            transaction.append(stream, body)


def ack(broker: Broker, group: str, *deliveries: Delivery) -> None:
    with broker.transaction() as transaction:
        for delivery in deliveries:
            transaction.ack(delivery.stream, group, [delivery.id])


def bodies(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.body for delivery in deliveries]


def content(broker: Broker, stream: str) -> list[bytes]:
    return bodies(broker.read({stream: "0"}, 1000, 0))


def read_until(group: Group, wanted: Callable[[list[Delivery]], Any]) -> list[Delivery]:
    """Read one by one until `wanted` says so, and return all that was read."""
    deadline = time.monotonic() + DEADLINE_S
    found: list[Delivery] = []
    while not wanted(found):
        assert time.monotonic() < deadline, f"only {found}"
        found += group.read(1, CLAIM_AFTER_S)
    return found


def wait_for(condition: Callable[[], Any]) -> None:
    """Return as soon as the condition holds; it has to within the deadline."""
    pause = threading.Event()
    for _ in range(int(DEADLINE_S / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("waited in vain")
