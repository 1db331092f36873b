"""The decoder's settings."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field

from pipeline.plugins import with_plug_ins
from pipeline.settings import KernelSettings, Section
from stages.decoder.recording import RecordingSettings
from stages.decoder.sources.camera import CameraSource
from stages.decoder.sources.file import FileSource
from stages.decoder.sources.url import UrlSource
from stages.decoder.watching import WatchSettings

MOST_READERS: Final = 64
"""Recordings that one decoder reads at once, at most."""

RecordingSource: TypeAlias = FileSource | UrlSource
if TYPE_CHECKING:
    _Sources: TypeAlias = RecordingSource | CameraSource
else:
    _Sources = with_plug_ins(RecordingSource | CameraSource, "detstream.sources", RecordingSettings, "build")
SourceSettings = Annotated[_Sources, Field(discriminator="kind")]


class NamedSource(Section):
    """A source and the name that everybody else knows it by."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    source: SourceSettings


def _distinct(sources: tuple[NamedSource, ...]) -> tuple[NamedSource, ...]:
    for name, count in Counter(named.name for named in sources).items():
        if count > 1:
            raise ValueError(f"two sources are named {name!r}: give each its own name")
    return sources


class DecoderSettings(Section):
    """What one decoder process reads."""

    sources: Annotated[tuple[NamedSource, ...], AfterValidator(_distinct)] = ()
    parallel: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST_READERS)] = "auto"
    """Recordings read at once; `auto`: as many as keep the detectors busy."""
    lanes: Literal["auto"] | Annotated[int, Field(ge=1, le=16)] = "auto"
    """Threads that read one recording, cut at its keyframes; `auto`: more than one where cores are left for that."""
    watch: WatchSettings = WatchSettings()
    """Folders whose recordings are taken as they come."""
    hash: bool = False
    """Whether to take the SHA-256 of each recording, for the manifest."""
    max_sources: int = Field(default=16, ge=1, le=1000)
    """Cameras that one decoder takes; those that are left go to other decoders."""
    lease_s: float = Field(default=10.0, ge=1, le=600)
    """A decoder that says nothing for so long has lost its cameras to the others."""
    serve: bool | None = None
    """Whether to take cameras that are added later; if not given: if there is a camera here, or no source at all."""

    @property
    def recordings(self) -> list[tuple[str, RecordingSource]]:
        """The sources that have an end."""
        return [(named.name, named.source) for named in self.sources if isinstance(named.source, RecordingSettings)]

    @property
    def cameras(self) -> dict[str, CameraSource]:
        """The sources that never wait."""
        return {named.name: named.source for named in self.sources if isinstance(named.source, CameraSource)}

    @property
    def serves(self) -> bool:
        """Whether there are or may be cameras."""
        there_is_none = not self.sources and not self.watch.folders
        return bool(self.cameras) or there_is_none if self.serve is None else self.serve


class DecoderRoot(KernelSettings):
    """The whole settings file, as the decoder sees it."""

    decoder: DecoderSettings = DecoderSettings()
    detector: Any = None
    tracker: Any = None
    annotator: Any = None
