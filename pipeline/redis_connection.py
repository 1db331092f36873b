"""One process's connection to Redis, which outlives the server: it waits, and asks again."""

import random
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import structlog
from redis import Redis
from redis import exceptions as refused
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.retry import Retry

from pipeline.errors import BrokerError, BrokerForgotError, BrokerUnreachableError

T = TypeVar("T")

MAX_BLOCK_S: Final = 5.0
"""The longest that one command may block, well under the time after which a silent server counts as gone."""
SILENCE_S: Final = 10.0
_FIRST_DELAY_S: Final = 0.05
_MAX_DELAY_S: Final = 2.0
LOST: Final = (refused.ConnectionError, refused.TimeoutError)
GONE: Final = (*LOST, refused.ReadOnlyError, refused.MasterDownError)
SHUT_OUT: Final = (refused.AuthenticationError, refused.AuthorizationError)
_SPEAKS_NO_REDIS: Final = refused.InvalidResponse
_RUN_ID: Final = re.compile(rb"run_id:(\w+)")


class RedisConnection:
    """Carries out commands, however often the server goes away; threads may share it.

    A command whose answer was lost is sent again, so each may be carried out more than once. With `fenced`, no server
    that was started anew carries out anything before whoever asks, in a single thread, has been told once.

    Raises:
        BrokerUnreachableError: no server answered within `connect_timeout_s`, or it refused the password.
        BrokerError: the URL is no Redis URL.
    """

    def __init__(self, url: str, connect_timeout_s: float, *, fenced: bool = False, log: Any = None) -> None:
        """`log`: where it is told that the server has gone, and come back; the process's own log if not given."""
        self._log = log or structlog.get_logger()
        self.url = masked(url)
        """Without the password: the one for logs and messages."""
        self._client = _client(url, self.url, connect_timeout_s, _Identity().check if fenced else None)
        self._lock = threading.Lock()
        self._gone = False
        self._closed = False
        self._connect(connect_timeout_s)

    def call(self, command: Callable[[Redis], T]) -> T:
        """Return what the command returns, as soon as there is a server to answer it.

        Raises:
            BrokerError: the server refused the command, or `close` was called meanwhile.
            BrokerForgotError: the connection is fenced, and the server was started anew since the last command.
        """
        attempt, lost = 0, False
        while True:
            self._refuse_if_closed()
            try:
                answer = self._carry_out(command, lost)
            except SHUT_OUT as error:
                raise BrokerError(f"the broker at {self.url} shut us out: {error}") from error
            except GONE as error:
                self._refuse_if_closed()
                self._note_gone(error)
                lost = isinstance(error, LOST)
            except _ServerChangedError as error:
                self._note_back()
                raise BrokerForgotError(f"the broker at {self.url} was started anew") from error
            except refused.RedisError as error:
                raise BrokerError(f"the broker at {self.url} refused a command: {error}") from error
            else:
                self._note_back()
                return answer
            time.sleep(delay_s(attempt))
            attempt += 1

    def _carry_out(self, command: Callable[[Redis], T], lost: bool) -> T:
        if lost:  # the command may be one that blocks
            self._client.ping()
            self._note_back()
        try:
            return command(self._client)
        except (TypeError, ValueError, AttributeError):
            self._refuse_if_closed()  # redis-py stumbles over a socket that another thread has closed
            raise

    def close(self) -> None:
        """Close the connection; whoever waits in another thread gets a BrokerError."""
        self._closed = True
        self._client.connection_pool.disconnect()
        self._client.close()

    def _connect(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        attempt = 0
        while True:
            try:
                self._client.ping()
                return
            except (*SHUT_OUT, refused.ResponseError) as error:
                raise BrokerUnreachableError(
                    f"the broker at {self.url} refused us ({error}): correct user and password in the URL"
                ) from error
            except _SPEAKS_NO_REDIS as error:
                raise BrokerUnreachableError(f"what answers at {self.url} is no Redis: correct the URL") from error
            except (TypeError, ValueError) as error:
                raise BrokerError(f"the options in the URL {self.url} are not ones of redis-py: {error}") from error
            except refused.RedisError as error:
                pause_s = delay_s(attempt)
                if time.monotonic() + pause_s > deadline:
                    raise BrokerUnreachableError(nobody(self.url, timeout_s, error)) from error
            time.sleep(pause_s)
            attempt += 1

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise BrokerError(f"the connection to the broker at {self.url} is closed")

    def _note_gone(self, error: Exception) -> None:
        with self._lock:
            first, self._gone = not self._gone, True
        # Idle connections lead to the old server; so does each one of a server that has become a replica.
        self._client.connection_pool.disconnect(inuse_connections=False)
        if first:
            self._log.warning("broker gone", url=self.url, error=str(error))

    def _note_back(self) -> None:
        if not self._gone:
            return
        with self._lock:
            first, self._gone = self._gone, False
        if first:
            self._log.info("broker back", url=self.url)


class _ServerChangedError(refused.RedisError):
    """The server is not the one of the connection before."""


class _Identity:
    """Knows which server, and which start of it, was spoken to last."""

    def __init__(self) -> None:
        self._run_id = b""

    def check(self, connection: Connection) -> None:
        """Greet the server on a new connection; refuse it once if it is another one than before."""
        connection.on_connect()  # type: ignore[no-untyped-call]
        connection.send_command("INFO", "server")  # type: ignore[no-untyped-call]
        before, self._run_id = self._run_id, self._read(connection)
        if before and self._run_id and before != self._run_id:
            raise _ServerChangedError

    def _read(self, connection: Connection) -> bytes:
        try:
            found = _RUN_ID.search(connection.read_response())
        except refused.NoPermissionError:  # nobody can tell, then
            return b""
        return found[1] if found else b""


def masked(url: str) -> str:
    """Return the URL without what is secret in it, also if it is malformed."""
    url = re.sub(r"^([a-z]+://)?.*@", r"\1***@", url)
    return re.sub(r"(password=)[^&]*", r"\1***", url)


def _client(url: str, shown: str, connect_timeout_s: float, greet: Callable[[Connection], None] | None) -> Redis:
    try:
        return Redis.from_url(
            url,
            protocol=2,  # the replies that every server since 6.2 gives
            socket_timeout=SILENCE_S,
            socket_connect_timeout=connect_timeout_s / 2,
            retry=Retry(NoBackoff(), 0),  # `call` waits, logs and asks again
            redis_connect_func=greet,
        )
    except ValueError:
        # Its text, which urllib makes of a malformed URL, may hold a part of the password.
        raise not_a_url(shown) from None


def not_a_url(shown: str) -> BrokerError:
    """Return the error of a URL that is none."""
    return BrokerError(f"{shown} is no URL of a broker: write redis://host:6379, rediss://… or unix:///path/to/socket")


def delay_s(attempt: int) -> float:
    """Return the time to wait, with jitter, so that those who lost the server together don't come back together."""
    longest_s = min(_MAX_DELAY_S, _FIRST_DELAY_S * float(2 ** min(attempt, 16)))
    return random.uniform(longest_s / 2, longest_s)


def nobody(url: str, timeout_s: float, error: Exception) -> str:
    """Return what is said where no server answers."""
    return (
        f"no broker answered at {url} within {timeout_s:g} s ({error}):"
        " start a Redis >= 6.2 or a Valkey there, or correct the URL"
    )
