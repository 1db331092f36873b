"""What a broker on Redis does when its server refuses, dies, forgets or loses an answer."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from pipeline.broker import Broker
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import BrokerError, BrokerForgotError
from pipeline.redis_broker import RedisBroker
from tests.pipeline.broker_steps import CLAIM_AFTER_S, DEADLINE_S, ack, append, bodies, content, read_until, wait_for
from tests.pipeline.lossy_proxy import LossyProxy


@pytest.fixture
def server() -> Iterator[EmbeddedBroker]:
    """A server that a test may kill."""
    with tempfile.TemporaryDirectory(prefix="detstream-") as folder, EmbeddedBroker(Path(folder)) as running:
        yield running


@pytest.fixture
def connection(server: EmbeddedBroker) -> Iterator[RedisBroker]:
    broker = RedisBroker(server.url, claim_after_s=CLAIM_AFTER_S)
    yield broker
    broker.close()


@pytest.fixture
def admin(server: EmbeddedBroker) -> Iterator[Redis]:
    with Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """A thread for what waits while the test does something to the server."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def kill(server: EmbeddedBroker) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()


def during_an_outage(
    server: EmbeddedBroker, elsewhere: ThreadPoolExecutor, command: Callable[..., Any], *args: Any
) -> "Future[Any]":
    """Start the command while the server is dead, and bring it back, empty, once the command has noticed."""
    kill(server)
    with capture_logs() as logs:
        waiting = elsewhere.submit(command, *args)
        wait_for(lambda: logs)
        server.__enter__()
        wait_for(lambda: len(logs) > 1)
    assert [entry["event"] for entry in logs] == ["broker gone", "broker back"]
    return waiting


def test_an_append_waits_for_a_dead_server(
    server: EmbeddedBroker, connection: RedisBroker, elsewhere: ThreadPoolExecutor
) -> None:
    append(connection, "s", b"lost with the server")
    during_an_outage(server, elsewhere, append, connection, "s", b"1").result(DEADLINE_S)
    assert content(connection, "s") == [b"1"]


def test_a_fenced_one_is_told_once_before_a_new_server_carries_anything_out(server: EmbeddedBroker) -> None:
    broker = RedisBroker(server.url, fenced=True)
    append(broker, "s", b"lost with the server")
    kill(server)
    server.__enter__()
    with pytest.raises(BrokerForgotError, match="started anew"):
        append(broker, "s", b"made of what the old one knew")
    assert content(broker, "s") == []
    append(broker, "s", b"1")
    assert content(broker, "s") == [b"1"]
    broker.close()


def test_a_fenced_one_in_the_midst_of_a_command_is_told_too(
    server: EmbeddedBroker, elsewhere: ThreadPoolExecutor
) -> None:
    broker = RedisBroker(server.url, fenced=True)
    waiting = during_an_outage(server, elsewhere, append, broker, "s", b"made of what the old one knew")
    with pytest.raises(BrokerForgotError):
        waiting.result(DEADLINE_S)
    assert content(broker, "s") == []
    broker.close()


def test_a_fenced_one_is_not_told_of_a_connection_that_broke(server: EmbeddedBroker, admin: Redis) -> None:
    broker = RedisBroker(server.url, fenced=True)
    append(broker, "s", b"1")
    admin.client_kill_filter(_type="normal", skipme=True)
    append(broker, "s", b"2")
    assert content(broker, "s") == [b"1", b"2"]
    broker.close()


def test_a_read_waits_for_a_dead_server(
    server: EmbeddedBroker, connection: RedisBroker, elsewhere: ThreadPoolExecutor
) -> None:
    waiting = during_an_outage(server, elsewhere, connection.read, {"s": "0"}, 1, DEADLINE_S)
    append(connection, "s", b"1")
    assert bodies(waiting.result(DEADLINE_S)) == [b"1"]


def test_a_group_is_made_again_in_a_broker_that_came_back_empty(
    server: EmbeddedBroker, connection: RedisBroker, elsewhere: ThreadPoolExecutor
) -> None:
    group = connection.group(["s"], "g", "one")
    append(connection, "s", b"before")
    assert bodies(group.read(1, 0)) == [b"before"]
    waiting = during_an_outage(server, elsewhere, group.read, 1, DEADLINE_S)
    append(connection, "s", b"after")
    assert bodies(waiting.result(DEADLINE_S)) == [b"after"]


def test_a_group_that_was_flushed_while_it_waited_is_made_again(
    connection: RedisBroker, admin: Redis, elsewhere: ThreadPoolExecutor
) -> None:
    group = connection.group(["s"], "g", "one")
    waiting = elsewhere.submit(group.read, 1, DEADLINE_S)
    wait_for(lambda: admin.info("clients")["blocked_clients"])
    admin.flushall()
    append(connection, "s", b"1")
    assert bodies(waiting.result(DEADLINE_S)) == [b"1"]


def test_a_server_killed_under_a_blocked_read_is_waited_for(
    server: EmbeddedBroker, connection: RedisBroker, admin: Redis, elsewhere: ThreadPoolExecutor
) -> None:
    group = connection.group(["s"], "g", "one")
    waiting = elsewhere.submit(group.read, 1, DEADLINE_S)
    wait_for(lambda: admin.info("clients")["blocked_clients"])
    kill(server)
    server.__enter__()
    append(connection, "s", b"1")
    assert bodies(waiting.result(DEADLINE_S)) == [b"1"]


def test_writes_wait_for_a_replica_to_become_the_primary(
    connection: RedisBroker, admin: Redis, elsewhere: ThreadPoolExecutor
) -> None:
    admin.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]
    with capture_logs() as logs:
        waiting = elsewhere.submit(append, connection, "s", b"1")
        wait_for(lambda: logs)
        assert not waiting.done()
        admin.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]
        waiting.result(DEADLINE_S)
    assert content(connection, "s") == [b"1"]


def test_a_transaction_whose_answer_was_lost_is_sent_again_and_publishes_once(server: EmbeddedBroker) -> None:
    with LossyProxy(Path(server.url.removeprefix("unix://")).parent, server.url, b"EXEC") as proxy:
        broker = RedisBroker(proxy.url)
        with broker.transaction() as transaction:
            transaction.publish("p", "1-1", b"once", {})
            transaction.append("s", b"at least once")
        assert proxy.lost.is_set()
        assert content(broker, "p") == [b"once"]
        assert content(broker, "s") == [b"at least once"] * 2
        broker.close()


def test_an_entry_whose_delivery_was_lost_is_delivered_after_the_claim_time(server: EmbeddedBroker) -> None:
    with LossyProxy(Path(server.url.removeprefix("unix://")).parent, server.url, b">") as proxy:
        broker = RedisBroker(proxy.url, claim_after_s=CLAIM_AFTER_S)
        append(broker, "s", b"1", b"2")
        found = read_until(broker.group(["s"], "g", "one"), lambda found: len(found) == 2)
        assert proxy.lost.is_set()
        assert {delivery.body: delivery.deliveries for delivery in found} == {b"1": 2, b"2": 1}
        ack(broker, "g", *found)
        broker.close()


def test_a_wrong_kind_of_key_is_an_error_that_names_it(broker: Broker) -> None:
    broker.increment("h", "field")
    with pytest.raises(BrokerError, match="XADD h: WRONGTYPE"):
        append(broker, "h", b"1")
    with pytest.raises(BrokerError, match="refused a command: WRONGTYPE"):
        broker.members("h")


def test_a_full_broker_refuses_the_whole_transaction(connection: RedisBroker, admin: Redis) -> None:
    connection.increment("h", "before")
    admin.config_set("maxmemory", 1)
    with pytest.raises(BrokerError, match="maxmemory"), connection.transaction() as transaction:
        transaction.append("s", b"1")
        transaction.set_fields("h", {"after": 1})
    assert content(connection, "s") == []
    assert connection.get_fields("h") == {"before": b"1"}


def test_fields_of_a_published_entry_can_be_read_without_msgpack(connection: RedisBroker, admin: Redis) -> None:
    with connection.transaction() as transaction:
        transaction.publish("p", "70-5", b"body", {"seq": 5, "source": "gate"})
    assert admin.xrange("p") == [(b"70-5", {b"seq": b"5", b"source": b"gate", b"body": b"body"})]


def test_closing_ends_the_waiting_of_another_thread(
    server: EmbeddedBroker, connection: RedisBroker, elsewhere: ThreadPoolExecutor
) -> None:
    kill(server)
    with capture_logs() as logs:
        waiting = elsewhere.submit(append, connection, "s", b"1")
        wait_for(lambda: logs)
        connection.close()
        with pytest.raises(BrokerError, match="is closed"):
            waiting.result(DEADLINE_S)


def test_closing_ends_a_blocked_read_of_another_thread(
    connection: RedisBroker, admin: Redis, elsewhere: ThreadPoolExecutor
) -> None:
    waiting = elsewhere.submit(connection.read, {"s": "0"}, 1, 60)
    wait_for(lambda: admin.info("clients")["blocked_clients"])
    connection.close()
    with pytest.raises(BrokerError, match="is closed"):
        waiting.result(DEADLINE_S)
