"""A POST of JSON for each frame or event, signed as https://www.standardwebhooks.com has it.

Guarantee: at least once, in order, one request at a time. An item is taken when the answer is 2xx. No answer, 5xx,
408, 425 and 429 (with Retry-After) are tried again, and so is what is wrong with the address or the credentials (3xx,
401, 403, 404, 405, 407, 410): nothing is lost while somebody puts that right. Any other 4xx refuses this item, which
goes to the dead letters. `Idempotency-Key` and `webhook-id` are the same whenever an item is sent again: who keeps them
drops repeats.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, Field

from pipeline.errors import ConfigError, PeerError, RefusedError
from pipeline.references import expanded, only_named, place_of, without_password
from pipeline.settings import variables
from stages.annotator.couriers.parcel import Parcel, Wanted
from stages.annotator.couriers.peer import Connect, Sending

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_TRIED_AGAIN: Final = frozenset({401, 403, 404, 405, 407, 408, 410, 425, 429})
_PREFIX: Final = "whsec_"
_SHOWN: Final = 200
"""Most characters of a refusal that are kept."""


def _http(url: str) -> str:
    if not url.startswith(("http://", "https://", "${")):
        raise ValueError("a webhook's URL begins with http:// or https://")
    return without_password(url)


class WebhookSink(Sending):
    """Settings of a webhook."""

    kind: Literal["webhook"] = "webhook"
    send: Wanted = "events"
    url: Annotated[str, AfterValidator(_http)]
    secret: Annotated[str, AfterValidator(only_named)] | None = None
    """`${NAME}` of the secret that requests are signed with: any text, or `whsec_` and base64; unsigned without."""
    headers: Mapping[str, str] = Field(default={})
    """More headers; values may be `${NAME}`."""
    timeout_s: float = Field(default=10.0, gt=0, le=300)
    """Longest wait for a connection, and for an answer."""

    def connector(self, folder: Path) -> Connect:
        """Put in what is named.

        Raises:
            ConfigError: something that is named is not set, or the secret is no base64.
        """
        where, known = f"the sink {self.name or self.kind}", variables()
        url = expanded(self.url, known, where)
        headers = {name: expanded(value, known, where) for name, value in self.headers.items()}
        key = None if self.secret is None else _key(expanded(self.secret, known, where), where)
        shown = place_of(url)
        return lambda: Webhook(url, shown, headers, key, self.timeout_s)


class Webhook:
    """One connection, kept alive."""

    def __init__(self, url: str, shown: str, headers: Mapping[str, str], key: bytes | None, timeout_s: float) -> None:
        """`url` may hold secrets, `shown` is for messages; `key` signs."""
        import urllib3  # here: only this needs it, and it takes a tenth of a second

        self._url, self._shown, self._key = url, shown, key
        agent = {"content-type": "application/json", "user-agent": "detstream"}
        self._headers = agent | {name.lower(): value for name, value in headers.items()}
        timeout = urllib3.Timeout(connect=timeout_s, read=timeout_s)
        self._pool = urllib3.PoolManager(num_pools=1, timeout=timeout, retries=False)

    def send(self, parcels: Sequence[Parcel]) -> None:
        """POST one after the other.

        Raises:
            PeerError: no answer, or one that is worth another try.
            RefusedError: the item is refused.
        """
        from urllib3.exceptions import HTTPError

        for parcel in parcels:
            body = parcel.json()
            try:
                answer = self._pool.request(
                    "POST", self._url, body=body, headers=self._headers | self._signed(parcel.id, body), redirect=False
                )
            except HTTPError as error:
                raise PeerError(f"{self._shown}: {_without(self._url, str(error))}") from None
            self._check(answer)

    def close(self) -> None:
        """Hang up."""
        self._pool.clear()

    def _signed(self, parcel_id: str, body: bytes) -> dict[str, str]:
        """Return the headers that tell what this is, and that it comes from us."""
        at = str(int(time.time()))
        told = {"idempotency-key": parcel_id, "webhook-id": parcel_id, "webhook-timestamp": at}
        if self._key is None:
            return told
        mac = hmac.new(self._key, f"{parcel_id}.{at}.".encode() + body, hashlib.sha256).digest()
        return told | {"webhook-signature": f"v1,{base64.b64encode(mac).decode()}"}

    def _check(self, answer: "BaseHTTPResponse") -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        told = f"{self._shown} answers {status}"
        if 400 <= status < 500 and status not in _TRIED_AGAIN:
            reason = " ".join(answer.data.decode(errors="replace").split())
            raise RefusedError(f"{told}: {reason:.{_SHOWN}}")
        raise PeerError(told, _seconds(answer.headers.get("retry-after")))


def _key(secret: str, where: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ConfigError(f"the secret of {where} begins with {_PREFIX}, but the rest is no base64") from error


def _seconds(retry_after: str | None) -> float | None:
    """Return what a Retry-After asks for: seconds, or a date; None if it is neither."""
    if retry_after is None:
        return None
    try:
        return max(float(retry_after), 0.0)
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def _without(url: str, text: str) -> str:
    """Return a message without the URL's path, which may be a secret."""
    path = url.partition("://")[2].partition("/")[2]
    return text.replace(path, "…") if path else text
