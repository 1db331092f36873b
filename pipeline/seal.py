"""Text that only those can read who know the key: a camera's URL on its way through the broker."""

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Final

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_PLAIN: Final = "plain:"
_SEALED: Final = "sealed:"


class Seal:
    """Seals with Fernet (AES-128 in CBC mode, HMAC-SHA256) of the library `cryptography`; without a key, not at all."""

    def __init__(self, key: str | None) -> None:
        """`key` is any text that is hard to guess."""
        self._key = key

    @property
    def has_key(self) -> bool:
        return self._key is not None

    def close(self, text: str) -> str:
        """Return the text as others may see it."""
        if self._key is None:
            return _PLAIN + text
        return _SEALED + _fernet(self._key).encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return the text that `close` was given.

        Raises:
            ConfigError: it was sealed with another key.
        """
        if sealed.startswith(_PLAIN):
            return sealed.removeprefix(_PLAIN)
        from cryptography.fernet import InvalidToken

        if self._key is None:
            raise ConfigError("a source's URL is sealed: set DETSTREAM_SECRET_KEY as where the source was added")
        try:
            return _fernet(self._key).decrypt(sealed.removeprefix(_SEALED)).decode()
        except (InvalidToken, ValueError) as error:
            raise ConfigError("a source's URL was sealed with another DETSTREAM_SECRET_KEY: use that one") from error


def new_key() -> str:
    """Return a key that nobody can guess."""
    return secrets.token_urlsafe(32)


def _fernet(key: str) -> "Fernet":
    from cryptography.fernet import Fernet  # here: only who has a camera needs it

    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))
