"""The annotator's settings; the sinks that there are."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from pipeline.settings import KernelSettings, Section
from stages.annotator.sinks.jsonl import JsonlSink
from stages.annotator.sinks.video import VideoSink

SinkSettings = Annotated[JsonlSink | VideoSink, Field(discriminator="kind")]


def _distinct(sinks: tuple[SinkSettings, ...]) -> tuple[SinkSettings, ...]:
    kinds = [sink.kind for sink in sinks]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"two sinks of kind {kind!r} would write the same file")
    return sinks


class AnnotatorSettings(Section):
    """Where the outputs of all sources go, and which there are."""

    output: Path = Path("out")
    segment_s: float = Field(default=3600.0, ge=1, le=7 * 24 * 3600)
    """A camera's outputs are begun anew at each multiple of it; a recording's are one file each."""
    sinks: Annotated[tuple[SinkSettings, ...], AfterValidator(_distinct)] = Field(
        (JsonlSink(), VideoSink()), min_length=1
    )


class AnnotatorRoot(KernelSettings):
    """The whole settings file, as the annotator sees it."""

    annotator: AnnotatorSettings = AnnotatorSettings()
    decoder: Any = None
    detector: Any = None
    tracker: Any = None
