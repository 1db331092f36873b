"""The decoder's settings."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from pipeline.settings import KernelSettings, Section
from stages.decoder.sources.file import FileSource


class NamedSource(Section):
    """A source and the name that everybody else knows it by."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    source: FileSource


def _distinct(sources: tuple[NamedSource, ...]) -> tuple[NamedSource, ...]:
    names = [named.name for named in sources]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two sources are named {name!r}: give each its own name")
    return sources


class DecoderSettings(Section):
    """What one decoder process reads."""

    sources: Annotated[tuple[NamedSource, ...], AfterValidator(_distinct)] = ()
    parallel: int = Field(default=2, ge=1, le=64)
    """Sources open at once: one is decoded while the end of another one is still being written."""


class DecoderRoot(KernelSettings):
    """The whole settings file, as the decoder sees it."""

    decoder: DecoderSettings = DecoderSettings()
    detector: Any = None
    tracker: Any = None
    annotator: Any = None
