"""Where a camera is, and its secret, which is shown to nobody."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from pipeline.errors import ConfigError
from pipeline.references import REFERENCE, expanded

NETWORK: Final = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "srt", "sim")
LOCAL: Final = ("v4l2", "play", "images")
_KNOWN: Final = ", ".join([*(f"{scheme}://" for scheme in NETWORK), *(f"{scheme}:" for scheme in LOCAL)])
_QUERY: Final = re.compile(r"\?(\w+=[^?*/]*)$")  # a `?` elsewhere belongs to a glob


@dataclass(frozen=True, slots=True)
class Address:
    """A live source's URL; only `url` holds user, password and query."""

    scheme: str
    url: str = field(repr=False)
    """Secret: for FFmpeg and nobody else."""
    shown: str
    """Without user, password and query: for messages and logs."""

    def __str__(self) -> str:
        return self.shown

    @property
    def path(self) -> str:
        """What follows the scheme of a local source, without options."""
        return _QUERY.sub("", self.url.partition(":")[2])

    @property
    def looped(self) -> bool:
        """Whether a recording or a folder of pictures is shown again and again."""
        return self.options.get("loop", "0") not in ("0", "")

    @property
    def options(self) -> dict[str, str]:
        """What follows `?`."""
        found = _QUERY.search(self.url)
        return dict(parse_qsl(found[1])) if found else {}


def parse(text: str, variables: Mapping[str, str]) -> Address:
    """Return the address, with `${NAME}` from `variables` and `${file:/path}` from a file put in.

    Raises:
        ConfigError: unknown scheme, unset variable or unreadable file; the message holds no secret.
    """
    url = expanded(text.strip(), variables, "a source's URL")
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    if colon and scheme in NETWORK and rest.startswith("//") and len(rest) > len("//"):
        return Address(scheme, url, shown(url))
    if colon and scheme in LOCAL and _QUERY.sub("", rest):
        return Address(scheme, url, shown(url))
    named = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", url)
    what = f"{named[1]}:// is no kind of source" if named and scheme not in NETWORK else "this is no URL of a source"
    raise ConfigError(f"{what}: give one that begins with {_KNOWN}")


def shown(url: str) -> str:
    """Return a URL without user, password and query, for people and logs."""
    scheme, _, rest = url.strip().partition(":")
    scheme = scheme.lower()
    if scheme in LOCAL or not rest.startswith("//"):
        return f"{scheme}:{_QUERY.sub('', rest)}"
    # All before the last @ goes: a password may hold @, / and ? although it shouldn't. What is simulated has no secret.
    place = rest[2:] if scheme == "sim" else re.split("[?#]", rest[2:].rpartition("@")[2])[0]
    return f"{scheme}://{place}"


def titled(url: str) -> str:
    """Return a name for a source: host and path, or a local source's file."""
    scheme, _, rest = shown(url).partition(":")
    return rest.lstrip("/").partition("?")[0] if rest.startswith("//") else Path(rest).stem or scheme


def holds_secret(url: str) -> bool:
    """Return whether a URL, in which `${NAME}` is not yet put in, may hold a secret itself."""
    scheme, _, rest = REFERENCE.sub("", url.strip()).partition(":")
    if scheme.lower() not in NETWORK or scheme.lower() == "sim":
        return False
    user, at, _ = rest.rpartition("@")
    password = user.partition(":")[2]
    options = re.split("[?&;]", rest.partition("?")[2])
    return bool(at and password) or any(option and not option.endswith("=") for option in options)


def is_live(text: str) -> bool:
    """Return whether a text is the URL of a live source: one of another scheme is a file's name."""
    scheme, colon, rest = text.strip().partition(":")
    if not colon:
        return False
    return scheme.lower() in LOCAL or (scheme.lower() in NETWORK and rest.startswith("//"))
