"""Secrets in settings: not written there, but named, so that nobody who reads the settings reads them."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from pipeline.errors import ConfigError

REFERENCE: Final = re.compile(r"\$\{([^}]*)\}")


def expanded(text: str, variables: Mapping[str, str], where: str) -> str:
    """Return a text with `${NAME}` from `variables` and `${file:/path}` from a file put in; inside a URL, quoted.

    Raises:
        ConfigError: unset variable or unreadable file; it says `where`, and holds no secret.
    """
    return REFERENCE.sub(_value_in(text, variables, where), text)


def without_password(url: str) -> str:
    """Return a URL that holds no password itself, for a validator of settings.

    Raises:
        ValueError: it does; settings are shown in manifests.
    """
    at = url.rpartition("@")[0].partition("://")[2]
    password = at.partition(":")[2]
    if REFERENCE.sub("", password):
        raise ValueError("a password is written as ${NAME} or ${file:/path}: settings are shown in the manifest")
    return url


def only_named(secret: str) -> str:
    """Return a secret that is a reference and nothing else, for a validator of settings.

    Raises:
        ValueError: it is written out; settings are shown in manifests.
    """
    if not REFERENCE.fullmatch(secret):
        raise ValueError("a secret is written as ${NAME} or ${file:/path}: settings are shown in the manifest")
    return secret


def place_of(url: str) -> str:
    """Return a URL's scheme and host, for messages."""
    parts = urlsplit(REFERENCE.sub("", url))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _value_in(text: str, variables: Mapping[str, str], where: str) -> Callable[[re.Match[str]], str]:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        secret = _from_file(name.removeprefix("file:"), where) if name.startswith("file:") else variables.get(name)
        if secret is None:
            raise ConfigError(f"${{{name}}} in {where} is not set: export {name}=…, or write ${{file:/path}}")
        # Inside a URL it is one part of it: `p@ss` must not end the password. A whole URL stays as it is.
        return quote(secret, safe="") if "://" in text[: found.start()] else secret

    return value


def _from_file(path: str, where: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise ConfigError(f"${{file:{path}}} in {where} can't be read ({reason}): check the path") from error
