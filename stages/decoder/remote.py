"""Recordings elsewhere: at a web server, read by FFmpeg, or wherever fsspec finds its way to."""

import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

import av
from av.container import InputContainer
from av.error import FFmpegError

from pipeline.errors import ConfigError, SourceError
from stages.decoder.address import LOCAL, NETWORK, shown
from stages.decoder.folder import is_video

_WEB: Final = ("http", "https")
_PIECE: Final = 1 << 22
_SILENT_S: Final = 20.0
"""A server that says nothing for so long is asked again."""
_OPTIONS: Final = {
    "protocol_whitelist": "http,https,tcp,tls,httpproxy,crypto",
    "reconnect": "1",
    "reconnect_on_network_error": "1",
    "reconnect_on_http_error": "5xx",
    "reconnect_delay_max": "30",
    "rw_timeout": str(round(_SILENT_S * 1e6)),
}
_EXTRAS: Final = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "sftp": "paramiko"}


@dataclass(frozen=True, slots=True)
class Remote:
    """A recording that has a URL; as text it shows no user, password or query."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        return shown(self.url)

    @property
    def scheme(self) -> str:
        """How it is got at."""
        return self.url.partition(":")[0].lower()

    def opened(self) -> InputContainer:
        """Return it, opened for reading.

        Raises:
            SourceError: it can't be.
        """
        av.logging.set_level(None)  # FFmpeg's own messages hold URLs
        try:
            if self.scheme in _WEB:
                return av.open(self.url, "r", container_options=_OPTIONS)
            return cast(InputContainer, av.open(self._file(), "r"))
        except (FFmpegError, ValueError, OSError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise SourceError(f"{self} can't be read ({reason}): check address, credentials and network") from None

    def contents(self) -> Iterator[bytes]:
        """Yield what is in it, piece by piece.

        Raises:
            OSError: it can't be read.
        """
        web = self.scheme in _WEB
        with urllib.request.urlopen(self.url, timeout=_SILENT_S) if web else self._file() as file:
            yield from iter(partial(file.read, _PIECE), b"")

    def _file(self) -> Any:
        """Raises SourceError, and whatever the file system's library raises."""
        import fsspec

        try:
            return fsspec.open(self.url, "rb").open()
        except FileNotFoundError as error:
            raise SourceError(f"{self} does not exist: check the address") from error
        except ImportError as error:
            raise SourceError(_missing(self.scheme)) from error
        except Exception as error:  # each library has its own
            raise SourceError(f"{self} can't be read ({type(error).__name__}): check address and credentials") from None


def is_remote(text: str) -> bool:
    """Return whether a text is the URL of a recording, not of a camera: at a web server it has a video's ending."""
    scheme, _, rest = text.strip().partition("://")
    if not rest or not scheme.replace("+", "").isalnum():
        return False
    if scheme.lower() in _WEB:
        return is_video(PurePosixPath(urlsplit(text).path))
    return scheme.lower() not in (*NETWORK, *LOCAL) and _is_known(scheme.lower())


def listed(url: str) -> list[str]:
    """Return the recordings that a URL stands for: itself, or those in a folder or matching a glob, by name.

    Raises:
        ConfigError: there is none.
    """
    if url.partition(":")[0].lower() in _WEB:
        return [url]
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url)
        matching = system.glob(path) if set("*?[") & set(path) else None
        paths = system.find(path) if matching is None and system.isdir(path) else matching
    except ImportError as error:
        raise ConfigError(_missing(url.partition(":")[0])) from error
    except Exception as error:  # each library has its own
        raise ConfigError(
            f"{shown(url)} can't be listed ({type(error).__name__}): check address and credentials"
        ) from None
    if paths is None:
        return [url]
    found = [system.unstrip_protocol(path) for path in sorted(paths) if is_video(PurePosixPath(path))]
    if not found:
        raise ConfigError(f"{shown(url)} holds no video: check the address")
    return found


def title(url: str) -> str:
    """Return the name of a recording without its ending."""
    return PurePosixPath(unquote(urlsplit(url).path)).stem


def _is_known(scheme: str) -> bool:
    import fsspec

    return scheme in fsspec.available_protocols()


def _missing(scheme: str) -> str:
    package = _EXTRAS.get(scheme)
    hint = f": pip install {package}" if package else ", which fsspec's documentation names"
    return f"{scheme}:// needs one more package{hint}"
