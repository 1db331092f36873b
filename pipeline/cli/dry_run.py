"""`detstream run --dry-run`: what would be done, of which recordings; nothing is written."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.cli.config import RunSettings
from pipeline.cli.progress import Bar
from pipeline.errors import SourceError
from stages.decoder.address import shown
from stages.decoder.settings import RecordingSource

_HEADINGS: Final = ("source", "codec", "size", "fps", "length", "frames", "MB")
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Planned:
    """A source as it would be processed."""

    source: str
    path: str
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    """Of the frames that would be looked at."""
    duration_s: float | None = None
    frames: int | None = None
    """About so many would be looked at."""
    size: int = 0
    """Of the files, bytes."""
    files: tuple[str, ...] = ()
    """That would be written; of a camera, each segment's."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All sources of a run."""

    sources: tuple[Planned, ...]

    @property
    def unreadable(self) -> int:
        """How many of them can't be processed."""
        return sum(source.error is not None for source in self.sources)

    @property
    def frames(self) -> int:
        """About so many frames would be looked at, of recordings that say how many they have."""
        return sum(source.frames or 0 for source in self.sources)

    @property
    def lines(self) -> list[str]:
        """What is to be said of it beneath the table."""
        wrong = [f"{source.source}: {source.error}" for source in self.sources if source.error is not None]
        trouble = f", {self.unreadable} of them can't be read" if self.unreadable else ""
        sources = f"{len(self.sources)} source{'' if len(self.sources) == 1 else 's'}"
        return [*wrong, f"{sources}{trouble}, about {self.frames} frames; nothing was written"]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"frames": self.frames, "unreadable": self.unreadable, "sources": list(map(asdict, self.sources))}


def planned(settings: RunSettings, console: Console) -> Plan:
    """Open each recording, and return what would be done."""
    found, recordings = [], settings.decoder.recordings
    with Bar(console) as bar:
        for place, (name, recording) in enumerate(recordings):
            bar.step(place, len(recordings), name)
            found.append(_of(name, recording, _files(settings, name)))
    for name, camera in settings.decoder.cameras.items():
        found.append(Planned(name, shown(camera.url.get_secret_value()), files=_files(settings, name)))
    return Plan(tuple(found))


def table(plan: Plan) -> Table:
    """Return it as a table, a row a source."""
    result = Table(box=None, header_style="bold")
    for heading in _HEADINGS:
        result.add_column(heading, justify="left" if heading in ("source", "codec") else "right")
    for source in plan.sources:
        if source.error is not None:
            result.add_row(escape(source.source), "[red]failed[/]")
        elif not source.codec:
            result.add_row(escape(source.source), escape(source.path))
        else:
            result.add_row(escape(source.source), *_row(source))
    return result


def _of(name: str, recording: RecordingSource, files: tuple[str, ...]) -> Planned:
    path, size = recording.address, recording.size
    try:
        video = recording.build()
    except SourceError as error:
        return Planned(name, path, size=size, error=str(error))
    facts = video.facts
    numbers = (facts.codec, facts.width, facts.height, round(facts.fps, 3), facts.duration_s)
    return Planned(name, path, *numbers, facts.frames or facts.about, size, files)


def _row(source: Planned) -> list[str]:
    size, frames = f"{source.width}x{source.height}", "?" if source.frames is None else str(source.frames)
    return [source.codec, size, f"{source.fps:g}", _clock(source.duration_s), frames, f"{source.size / _MIB:.1f}"]


def _clock(duration_s: float | None) -> str:
    if duration_s is None:
        return "?"
    minutes, rest = divmod(round(duration_s), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _files(settings: RunSettings, source: str) -> tuple[str, ...]:
    output = settings.annotator.output
    found: list[Path] = [path for sink in settings.annotator.sinks for path in sink.outputs(output, source)[:1]]
    return tuple(map(str, found))
