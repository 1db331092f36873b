"""The same for an event loop: see `pipeline.redis_asking`."""

import asyncio
import time
from typing import Any

from redis import exceptions as refused
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from pipeline.errors import BrokerError, BrokerUnreachableError
from pipeline.redis_asking import LOG, Ask, checked
from pipeline.redis_connection import GONE, SHUT_OUT, SILENCE_S, delay_s, masked, nobody, not_a_url


class AsyncRedisAsker:
    """Carries out commands as soon as there is a server to answer.

    Raises:
        BrokerError: the URL is no Redis URL.
    """

    def __init__(self, url: str, connect_timeout_s: float) -> None:
        self._shown = masked(url)
        self._connect_timeout_s = connect_timeout_s
        try:
            self._client = Redis.from_url(
                url,
                protocol=2,
                socket_timeout=SILENCE_S,
                socket_connect_timeout=connect_timeout_s / 2,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:
            raise not_a_url(self._shown) from None
        self._connected = False

    async def ask(self, ask: Ask) -> list[Any]:
        """Return the answer to each command.

        Raises:
            BrokerUnreachableError: the first command was not answered within the connect time.
            BrokerError: the server refused a command, or has shut us out.
        """
        attempt, began_s = 0, time.monotonic()
        while True:
            try:
                answers = await self._answers(ask)
            except SHUT_OUT as error:
                raise self._refusal(error) from error
            except GONE as error:
                self._refuse_if_never_there(began_s, error)
                if not attempt:
                    LOG.warning("broker gone", url=self._shown, error=str(error))
                await self._client.connection_pool.disconnect(inuse_connections=False)
            except refused.RedisError as error:
                raise BrokerError(f"the broker at {self._shown} refused a command: {error}") from error
            else:
                self._connected = True
                return answers
            await asyncio.sleep(delay_s(attempt))
            attempt += 1

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def _answers(self, ask: Ask) -> list[Any]:
        if len(ask.calls) == 1:
            try:
                return [await self._client.execute_command(*ask.calls[0])]  # type: ignore[no-untyped-call]
            except ResponseError as error:
                return checked([error])
        async with self._client.pipeline(transaction=ask.atomic) as pipeline:
            for call in ask.calls:
                pipeline.execute_command(*call)
            return checked(await pipeline.execute(raise_on_error=False))

    def _refuse_if_never_there(self, began_s: float, error: Exception) -> None:
        if not self._connected and time.monotonic() - began_s > self._connect_timeout_s:
            raise BrokerUnreachableError(nobody(self._shown, self._connect_timeout_s, error)) from error

    def _refusal(self, error: Exception) -> BrokerError:
        kind = BrokerError if self._connected else BrokerUnreachableError
        return kind(f"the broker at {self._shown} refused us ({error}): correct user and password in the URL")
