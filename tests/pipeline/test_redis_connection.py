"""What a person reads who named the wrong broker, and that no password is in it."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import BrokerError, BrokerUnreachableError
from pipeline.redis_broker import RedisBroker
from pipeline.redis_connection import masked

SECRET = "hunter2"


def refusal(url: str, connect_timeout_s: float = 0.2) -> BrokerError:
    with pytest.raises(BrokerError) as caught:
        RedisBroker(url, connect_timeout_s=connect_timeout_s)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.fixture
def web_server() -> Iterator[int]:
    """A port on which something answers that is no Redis."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.fixture
def locked(valkey: EmbeddedBroker) -> Iterator[str]:
    """The URL of a server that wants a password."""
    with Redis.from_url(valkey.url) as admin:
        admin.config_set("requirepass", "another")
        yield valkey.url
        admin.config_set("requirepass", "")


def test_a_missing_socket_is_unreachable(tmp_path: Path) -> None:
    error = refusal(f"unix://{tmp_path}/none.sock")
    assert isinstance(error, BrokerUnreachableError)
    assert "none.sock" in str(error)
    assert "within 0.2 s" in str(error)


def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = refusal(f"redis://:{SECRET}@127.0.0.1:{unused.getsockname()[1]}")
    assert isinstance(error, BrokerUnreachableError)
    assert "redis://***@127.0.0.1" in str(error)


def test_a_server_that_comes_up_late_is_waited_for(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as server:
        server.stop()
        found: list[dict[str, bytes]] = []

        def connect() -> None:
            broker = RedisBroker(server.url)
            found.append(broker.get_fields("nothing"))
            broker.close()

        connected = threading.Thread(target=connect)
        connected.start()
        server.__enter__()
        connected.join()
    assert found == [{}]


def test_what_answers_without_being_a_redis_is_named(web_server: int) -> None:
    assert isinstance(refusal(f"redis://127.0.0.1:{web_server}", 5.0), BrokerUnreachableError)


def test_a_wrong_password_is_refused_at_once(locked: str) -> None:
    for url in (locked, f"{locked}?password={SECRET}", f"{locked}?username=me&password={SECRET}"):
        assert "correct user and password" in str(refusal(url, 60.0))


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        f"me:{SECRET}@localhost",
        "http://localhost",
        "",
        f"redis://:{SECRET}@host:port",
        f"redis://:{SECRET}@[host",
    ],
)
def test_a_url_of_another_kind_is_refused_with_an_example(url: str) -> None:
    assert "redis://host:6379" in str(refusal(url))


def test_an_unknown_option_in_the_url_is_refused(valkey: EmbeddedBroker) -> None:
    assert "wrong_option" in str(refusal(f"{valkey.url}?wrong_option=1"))


def test_a_masked_url_keeps_the_place_and_loses_the_secret() -> None:
    assert masked("redis://host:6379/1") == "redis://host:6379/1"
    assert masked(f"rediss://me:{SECRET}@host/1") == "rediss://***@host/1"
    assert masked(f"redis://me:p@{SECRET}@host") == "redis://***@host"
    assert masked(f"unix:///a/b.sock?password={SECRET}&db=1") == "unix:///a/b.sock?password=***&db=1"
