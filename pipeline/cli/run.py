"""`detstream run`: sources in, outputs and a report of what became of each source out."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Final

from pipeline import keys
from pipeline.broker import Broker
from pipeline.cli.config import RunSettings, write
from pipeline.cli.disk import with_need
from pipeline.cli.display import Display, Work
from pipeline.cli.live_run import tell_decoders, write_note
from pipeline.cli.models import naming_hint
from pipeline.cli.report import NAME, write_report
from pipeline.cli.run_facts import asked, facts_of
from pipeline.cli.run_place import End, run_folder, with_redis
from pipeline.cli.run_state import RunState
from pipeline.connect import open_broker, ring_folder
from pipeline.errors import ConfigError, SinkError, StageError
from pipeline.ledger import Ledger
from pipeline.memory import plan
from pipeline.registry import Registry
from pipeline.ring_folder import remove_ownerless
from pipeline.seal import Seal, new_key
from pipeline.source_report import SourceReport, report_camera, report_source
from pipeline.supervisor.manifest import manifest, write_manifest
from pipeline.supervisor.supervisor import Plan, Supervisor
from stages.decoder.folder import videos_in
from stages.decoder.settings import RecordingSource
from stages.decoder.sources.file import FileSource
from stages.decoder.watching import check, name_in
from stages.detector.yolo_nas.card import read_card

_SPARE_CAMERAS: Final = 4
"""That may be added while it runs, unless the settings say how many."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `detstream run` has to say at its end."""

    reports: tuple[SourceReport, ...]
    error: str | None

    @property
    def exit_code(self) -> int:
        """0: all sources are done; 1: at least one failed; 130: interrupted before all were done."""
        if self.error is None and any(report.status == "interrupted" for report in self.reports):
            return 130
        return 1 if self.error or any(report.status == "failed" for report in self.reports) else 0


@dataclass(frozen=True, slots=True)
class How:
    """How a run is to be run, beside its settings."""

    detectors: int = 1
    force: bool = False
    """Outputs of an earlier run may be overwritten."""
    resume: bool = False
    """A run is to be gone on with: an unfinished one, or a finished one with what has come since."""
    duration_s: float | None = None


def run(settings: RunSettings, how: How, display: Display, stop: Event) -> tuple[Outcome, dict[str, Any]]:
    """Process all sources, and return what became of them and the manifest that was written.

    Raises:
        ConfigError: wrong settings, or the output exists; nothing was started.
        DetstreamError: the run could not begin.
    """
    started_s = time.time()
    budget = plan(settings.memory_mb, ring_folder(settings))
    state, left = _begun(settings, how)
    if not left:
        event = "nothing is left to do: it holds a finished run of these recordings; --force starts over"
        display.log({"level": "info", "source": str(settings.annotator.output), "event": event})
        return _told(state.finished())
    with ExitStack() as stack:
        stack.callback(remove_ownerless, ring_folder(settings))  # a decoder that was killed has left its ring
        folder = stack.enter_context(run_folder())
        settings = _for_cameras(stack.enter_context(with_redis(settings, folder, budget, display)))
        broker = open_broker(settings)
        stack.callback(broker.close)
        end = End(stop, how.duration_s)
        stack.callback(end.cancel)
        error = _worked(_left(settings, state), how, folder, broker, display, end)
        facts = facts_of(settings, broker, how.detectors, state)
        sources = list(_sources(settings, state, broker, interrupted=stop.is_set()))
    reports = tuple(_report(source) for source in sources)
    outcome = Outcome(reports, with_need(error, reports))
    return _closed(settings, state, outcome, manifest(sources, started_s, facts))


def _begun(settings: RunSettings, how: How) -> tuple[RunState, bool]:
    """Make the output folder, and see that no output of an earlier run is lost unasked; return if there is work left.

    Raises:
        ConfigError: the folder can't be written to, outputs exist and `force` is not given, or one is a source; a
            watched folder is not there.
    """
    check(settings.decoder.watch)
    output, recordings = settings.annotator.output, {**dict(settings.decoder.recordings), **_in_watched(settings)}
    wanted = {"": [output / NAME], **{name: _files(settings, name) for name in recordings}}
    sources = {path.resolve() for recording in recordings.values() for path in recording.files}
    state, left = RunState(output), True
    try:
        output.mkdir(parents=True, exist_ok=True)
        own = [path for paths in wanted.values() for path in paths if path.resolve() in sources]
        if own:
            raise ConfigError(f"{own[0]} is both a source and an output: choose another --output")
        # A camera's outputs are named by their time: nothing of an earlier run is lost.
        if recordings or settings.decoder.watch.folders:
            live = bool(settings.decoder.cameras)
            left = state.begin(asked(settings), wanted, resume=how.resume, force=how.force, live=live)
        elif not how.force:
            state.spare()
        tempfile.TemporaryFile(dir=output).close()
    except OSError as error:
        raise ConfigError(f"output folder {output}: can't be written to: {error.strerror}") from error
    return state, left


def _in_watched(settings: RunSettings) -> dict[str, RecordingSource]:
    """Return the recordings that are in watched folders by now."""
    watched = settings.decoder.watch.folders
    return {name_in(folder, path): FileSource(path=path) for folder in watched for path in videos_in(folder)}


def _left(settings: RunSettings, state: RunState) -> RunSettings:
    """Return the settings without the recordings that are done."""
    done = {record["source"] for record in state.records()}
    sources = tuple(item for item in settings.decoder.sources if item.name not in done)
    return settings.model_copy(update={"decoder": settings.decoder.model_copy(update={"sources": sources})})


def _for_cameras(settings: RunSettings) -> RunSettings:
    """Return settings with a key to seal URLs with, and room for cameras that are added while it runs."""
    cameras = len(settings.decoder.cameras)
    if not cameras:
        return settings
    given = settings.decoder.max_sources if "max_sources" in settings.decoder.model_fields_set else 0
    most = max(given, cameras + (0 if given else _SPARE_CAMERAS))
    decoder = settings.decoder.model_copy(update={"max_sources": most})
    return settings.model_copy(update={"decoder": decoder, "secret_key": settings.secret_key or new_key()})


def _worked(settings: RunSettings, how: How, folder: Path, broker: Broker, display: Display, end: End) -> str | None:
    """Run the stages until all is done, and return why not if so.

    Raises:
        ConfigError: a stage refuses its settings, or another run uses the broker.
    """
    if not settings.decoder.sources and not settings.decoder.watch.folders:
        return None
    if hint := naming_hint(settings.detector.over(read_card(settings.detector.model))):
        display.log({"level": "warning", "event": hint})
    config = folder / "config.json"
    write(settings, config)
    write_note(folder, settings.redis.url or "", settings.secret_key or "")
    names = [item.name for item in settings.decoder.sources]
    supervisor = Supervisor(broker, Plan(config, names, how.detectors), display.log)
    supervisor.prepare(end.stop)
    tell_decoders(broker, settings.decoder, Seal(settings.secret_key))
    recordings = [recording for _, recording in settings.decoder.recordings]
    display.begin(Work(len(recordings), sum(recording.size for recording in recordings)))
    try:
        with display:
            supervisor.run(end.stop, display.update)
    except StageError as failure:
        if failure.code == 2:
            raise ConfigError(str(failure)) from failure
        return str(failure)
    return None


def _sources(settings: RunSettings, state: RunState, broker: Broker, *, interrupted: bool) -> Iterator[dict[str, Any]]:
    """Yield what became of each source: recordings, cameras, then those of both that came later."""
    records = {record["source"]: record for record in state.records()}
    paths = {name: recording.address for name, recording in settings.decoder.recordings}
    for name in broker.members(keys.SOURCES) - paths.keys():
        standing = Ledger(broker, name).read()
        paths |= {} if standing.live or not standing.epoch else {name: standing.text("path")}
    for name in [*paths, *sorted(records.keys() - paths.keys())]:
        files = [str(path) for path in _files(settings, name) if path.exists()]
        report = partial(report_source, broker, name, paths.get(name, ""), files, interrupted=interrupted)
        yield records.get(name) or asdict(report())
    added = {name: wish.shown for name, wish in Registry(broker).read().items()}
    for name in [*settings.decoder.cameras, *sorted(added.keys() - settings.decoder.cameras.keys())]:
        yield asdict(report_camera(broker, name, added.get(name, ""), _segments(settings, broker, name)))


def _closed(
    settings: RunSettings, state: RunState, outcome: Outcome, written: dict[str, Any]
) -> tuple[Outcome, dict[str, Any]]:
    """Write the manifest, and forget how to go on if there is nothing left to do."""
    try:
        write_manifest(settings.annotator.output, written)
        if any(sink.kind == "report" for sink in settings.annotator.sinks):
            write_report(settings.annotator.output, written)
    except SinkError as failure:
        return replace(outcome, error=outcome.error or str(failure)), written
    if state.over:
        state.finish()
    return outcome, written


def _told(finished: dict[str, Any]) -> tuple[Outcome, dict[str, Any]]:
    """Return what a finished run had to say."""
    return Outcome(tuple(map(_report, finished["sources"])), None), finished


def _report(source: Mapping[str, Any]) -> SourceReport:
    fields = {name: source[name] for name in SourceReport.__slots__}
    return SourceReport(**fields | {"files": tuple(source["files"])})


def _files(settings: RunSettings, stem: str, source: str = "") -> Sequence[Path]:
    output = settings.annotator.output
    return [path for sink in settings.annotator.sinks for path in sink.outputs(output, stem, source)]


def _segments(settings: RunSettings, broker: Broker, source: str) -> list[str]:
    segments = json.loads(Ledger(broker, source).read().text("segments") or "[]")
    return [str(path) for segment in segments for path in _files(settings, segment, source) if path.exists()]
