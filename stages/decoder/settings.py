"""The decoder's settings."""

from typing import Any

from pydantic import Field

from pipeline.settings import KernelSettings, Section
from stages.decoder.sources.file import FileSource


class NamedSource(Section):
    """A source and the name that everybody else knows it by."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    source: FileSource


class DecoderSettings(Section):
    """What one decoder process reads."""

    sources: tuple[NamedSource, ...] = ()
    parallel: int = Field(default=2, ge=1, le=64)
    """Sources open at once: one is decoded while the end of another one is still being written."""


class DecoderRoot(KernelSettings):
    """The whole settings file, as the decoder sees it."""

    decoder: DecoderSettings = DecoderSettings()
    detector: Any = None
    tracker: Any = None
    annotator: Any = None
