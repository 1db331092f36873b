"""The annotator's settings; the sinks that there are."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, Field

from pipeline.errors import ConfigError
from pipeline.plugins import with_plug_ins
from pipeline.settings import KernelSettings, Section
from stages.annotator.couriers.peer import Sending
from stages.annotator.screens.showing import Showing
from stages.annotator.sinks.clips import ClipsSink
from stages.annotator.sinks.coco import CocoSink
from stages.annotator.sinks.events import EventsSink
from stages.annotator.sinks.hls import HlsSink
from stages.annotator.sinks.jsonl import JsonlSink
from stages.annotator.sinks.kafka import KafkaSink
from stages.annotator.sinks.mqtt import MqttSink
from stages.annotator.sinks.null import NullSink
from stages.annotator.sinks.parquet import ParquetSink
from stages.annotator.sinks.push import PushSink
from stages.annotator.sinks.python import PythonSink
from stages.annotator.sinks.report import ReportSink
from stages.annotator.sinks.sql import SqlSink
from stages.annotator.sinks.stdout import StdoutSink
from stages.annotator.sinks.video import VideoSink
from stages.annotator.sinks.webhook import WebhookSink

WrittenSettings: TypeAlias = JsonlSink | EventsSink | VideoSink
"""Written frame by frame."""
DerivedSettings: TypeAlias = ParquetSink | CocoSink | ReportSink | ClipsSink
"""Made of the JSON lines, once all are there."""
SentSettings: TypeAlias = WebhookSink | MqttSink | KafkaSink | SqlSink | StdoutSink | PythonSink | NullSink
"""Sent to somebody else."""
ShownSettings: TypeAlias = HlsSink | PushSink
"""Shown live."""
if TYPE_CHECKING:
    SinkSettings: TypeAlias = WrittenSettings | DerivedSettings | SentSettings | ShownSettings
else:
    SinkSettings = with_plug_ins(
        WrittenSettings | DerivedSettings | SentSettings | ShownSettings, "detstream.sinks", Sending, "connector"
    )

_Sinks = Annotated[SinkSettings, Field(discriminator="kind")]

_KINDS: Final = ("jsonl", "video", "events", "clips", "parquet", "coco", "report")
_FORMATS: Final = {("mp4" if kind == "video" else kind): kind for kind in _KINDS}
"""Kinds of sinks by what people call them."""


def _distinct(sinks: tuple[SinkSettings, ...]) -> tuple[SinkSettings, ...]:
    names = [sink.label if isinstance(sink, Sending) else sink.kind for sink in sinks]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two sinks of kind {name!r} would be taken for one: of those that send, name each")
    if "clips" in names and "events" not in names:
        raise ValueError("the sink 'clips' needs the sink 'events', which says when something happened: add it")
    return sinks


class AnnotatorSettings(Section):
    """Where the outputs of all sources go, and which there are."""

    output: Path = Path("out")
    segment_s: float = Field(default=3600.0, ge=1, le=7 * 24 * 3600)
    """A camera's outputs are begun anew at each multiple of it; a recording's are one file each."""
    sinks: Annotated[tuple[_Sinks, ...], AfterValidator(_distinct)] = Field((JsonlSink(), VideoSink()), min_length=1)

    @property
    def written(self) -> tuple[WrittenSettings, ...]:
        """The sinks that are written frame by frame; the video last, as it draws on the pictures."""
        written = (sink for sink in self.sinks if isinstance(sink, WrittenSettings))
        return tuple(sorted(written, key=lambda sink: isinstance(sink, VideoSink)))

    @property
    def derived(self) -> tuple[DerivedSettings, ...]:
        """The sinks that are made of the lines, once all are there."""
        return tuple(sink for sink in self.sinks if isinstance(sink, DerivedSettings))

    @property
    def sent(self) -> tuple[Sending, ...]:
        """The sinks that send to somebody else."""
        return tuple(sink for sink in self.sinks if isinstance(sink, Sending))

    @property
    def shown(self) -> tuple[Showing, ...]:
        """The sinks that show cameras live."""
        return tuple(sink for sink in self.sinks if isinstance(sink, Showing))

    @property
    def draws(self) -> bool:
        """Whether a sink wants the full-size pictures."""
        return bool(self.shown) or any(isinstance(sink, VideoSink) for sink in self.sinks)

    @property
    def speaks(self) -> bool:
        """Whether standard output is a sink's, and nobody else's."""
        return any(isinstance(sink, StdoutSink) for sink in self.sinks)


class AnnotatorRoot(KernelSettings):
    """The whole settings file, as the annotator sees it."""

    annotator: AnnotatorSettings = AnnotatorSettings()
    decoder: Any = None
    detector: Any = None
    tracker: Any = None


def chosen(formats: str, sinks: Iterable[SinkSettings]) -> tuple[dict[str, Any], ...]:
    """Return the settings of the sinks that are named, with commas between; those that are there keep theirs.

    Raises:
        ConfigError: there is no such format.
    """
    known: dict[str, dict[str, Any]] = {sink.kind: sink.model_dump() for sink in sinks}
    names = list(dict.fromkeys(name.strip().lower() for name in formats.split(",") if name.strip()))
    for name in names:
        if name not in _FORMATS and name not in _FORMATS.values():
            raise ConfigError(f"--format {name}: no such format; allowed: {', '.join(_FORMATS)}")
    if not names:
        raise ConfigError(f"--format names no format; allowed: {', '.join(_FORMATS)}")
    kinds = dict.fromkeys(_FORMATS.get(name, name) for name in names)
    return tuple(known.get(kind, {"kind": kind}) for kind in kinds)
