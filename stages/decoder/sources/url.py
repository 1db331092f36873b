"""Recordings elsewhere: a URL of HTTP, S3 or whatever else fsspec knows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, SecretStr, field_serializer

from pipeline.errors import ConfigError
from pipeline.references import expanded
from pipeline.settings import variables
from stages.decoder.address import shown
from stages.decoder.recording import Recording, RecordingSettings
from stages.decoder.remote import Remote, is_remote


def _with_secrets(url: SecretStr) -> SecretStr:
    try:
        text = expanded(url.get_secret_value().strip(), variables(), "a source's URL")
    except ConfigError as error:
        raise ValueError(str(error)) from error
    if not is_remote(text):
        raise ValueError("it is no URL of a recording: https://host/clip.mp4, s3://bucket/clip.mp4")
    return SecretStr(text)


class UrlSource(RecordingSettings):
    """Settings of a recording that has a URL; `${NAME}` in it stands for a secret, as in a camera's."""

    kind: Literal["url"] = "url"
    url: Annotated[SecretStr, AfterValidator(_with_secrets)]

    @field_serializer("url", when_used="json")
    def _without_secret(self, url: SecretStr) -> str:
        return shown(url.get_secret_value())

    @property
    def address(self) -> str:
        """Where it is, without a secret."""
        return shown(self.url.get_secret_value())

    @property
    def files(self) -> list[Path]:
        """None: it is not on this machine."""
        return []

    @property
    def size(self) -> int:
        """0: unknown until it is opened."""
        return 0

    @property
    def identity(self) -> dict[str, Any]:
        """By what it is known to be the same, and which of its frames are looked at."""
        return {"path": self.address, "bytes": None, "changed_ns": None} | self.wish

    def contents(self) -> Iterator[bytes]:
        """Yield what is in it, piece by piece.

        Raises:
            OSError: it can't be read.
        """
        return Remote(self.url.get_secret_value()).contents()

    def build(self) -> Recording:
        """Open it.

        Raises:
            SourceError: it is missing, unreadable, no video, or without a video stream.
        """
        return Recording([Remote(self.url.get_secret_value())], self)
