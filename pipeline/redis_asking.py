"""Redis asked for what other programs read: plain commands, for subscribers that block a thread or an event loop."""

import logging
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import structlog
from redis import Redis
from redis.exceptions import ResponseError
from structlog.typing import EventDict, WrappedLogger

from pipeline.redis_connection import RedisConnection

Call: TypeAlias = tuple[str | int | float | bytes, ...]
_NO_TROUBLE: Final = ("no such key", "NOGROUP", "BUSYGROUP")


def _in_words(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    event = line.pop("event")
    return " ".join([str(event), *(f"{name}={value}" for name, value in line.items())])


PYTHON_LOG: Final = logging.getLogger("detstream")
"""A library's words belong into Python's own log, not onto stdout."""
LOG: Final = structlog.wrap_logger(PYTHON_LOG, processors=[_in_words])


@dataclass(frozen=True, slots=True)
class Ask:
    """Commands for one round trip."""

    calls: tuple[Call, ...]
    atomic: bool = False
    """Whether nothing may happen between them."""


class RedisAsker:
    """Carries out commands as soon as there is a server to answer.

    A stream or group that is missing, or a group that is there, is an exception among the answers.

    Raises:
        BrokerUnreachableError: no server answered within `connect_timeout_s`, or it refused the password.
        BrokerError: the URL is no Redis URL.
    """

    def __init__(self, url: str, connect_timeout_s: float) -> None:
        self._connection = RedisConnection(url, connect_timeout_s, log=LOG)

    def ask(self, ask: Ask) -> list[Any]:
        """Return the answer to each command.

        Raises:
            BrokerError: the connection is closed, or the server refused a command, or has shut us out.
        """
        return self._connection.call(lambda client: _answers(client, ask))

    def close(self) -> None:
        """Close the connection; whoever waits in another thread gets a BrokerError."""
        self._connection.close()


def _answers(client: Redis, ask: Ask) -> list[Any]:
    if len(ask.calls) == 1:
        return [_answer(client, ask.calls[0])]
    with client.pipeline(transaction=ask.atomic) as pipeline:
        for call in ask.calls:
            pipeline.execute_command(*call)  # type: ignore[no-untyped-call]
        return checked(pipeline.execute(raise_on_error=False))


def _answer(client: Redis, call: Call) -> Any:
    try:
        return client.execute_command(*call)  # type: ignore[no-untyped-call]
    except ResponseError as error:
        return checked([error])[0]


def checked(answers: list[Any]) -> list[Any]:
    """Return answers, unless one is an error that says more than that a stream or a group is there or not."""
    for answer in answers:
        if isinstance(answer, Exception) and not any(word in str(answer) for word in _NO_TROUBLE):
            raise answer
    return answers
