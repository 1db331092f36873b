"""`detstream run`: sources in, outputs and a report of what became of each source out."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from threading import Event, Timer
from typing import Any, Final

from pipeline import keys
from pipeline.broker import Broker
from pipeline.cli.config import RunSettings, write
from pipeline.cli.display import Display
from pipeline.cli.live_run import RUN_FOLDER, tell_decoders, write_note
from pipeline.cli.models import naming_hint
from pipeline.connect import open_broker, ring_folder
from pipeline.errors import ConfigError, SinkError, StageError
from pipeline.kept_broker import KeptBroker
from pipeline.ledger import Ledger
from pipeline.memory import MIB, Budget, plan
from pipeline.registry import Registry
from pipeline.seal import Seal, new_key
from pipeline.supervisor.report import SourceReport, manifest, report_camera, report_source, write_manifest
from pipeline.supervisor.supervisor import Plan, Supervisor
from stages.detector.yolo_nas.card import fingerprint, read_card

_SPARE_CAMERAS: Final = 8
"""That may be added while it runs, if there are no more anyway."""


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


def run(
    settings: RunSettings,
    detectors: int,
    display: Display,
    stop: Event,
    *,
    force: bool,
    duration_s: float | None = None,
) -> tuple[Outcome, dict[str, Any]]:
    """Process all sources, and return what became of them and the manifest that was written.

    Raises:
        ConfigError: wrong settings, or the output exists; nothing was started.
        DetstreamError: the run could not begin.
    """
    started_s = time.time()
    budget = plan(settings.memory_mb, ring_folder(settings))
    _prepare_output(settings, force=force)
    with ExitStack() as stack:
        folder = stack.enter_context(_run_folder())
        settings = _for_cameras(stack.enter_context(_with_redis(settings, folder, budget, display)))
        broker = open_broker(settings)
        stack.callback(broker.close)
        write(settings, folder / "config.yaml")
        write_note(folder, settings.redis.url or "", settings.secret_key or "")
        end = _End(stop, duration_s)
        stack.callback(end.cancel)
        outcome = _supervise(settings, Plan(folder / "config.yaml", _names(settings), detectors), broker, display, end)
        facts = {"detstream": version("detstream"), **_facts(settings, broker, detectors)}
    written = manifest(outcome.reports, started_s, facts)
    try:
        write_manifest(settings.annotator.output, written)
    except SinkError as failure:
        outcome = replace(outcome, error=outcome.error or str(failure))
    return outcome, written


class _End:
    """When a run is to end before its sources do: when somebody says so, or after a time."""

    def __init__(self, stop: Event, duration_s: float | None) -> None:
        self.stop, self.in_time = stop, False
        self._timer = None if duration_s is None else Timer(duration_s, self._due)
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()

    @property
    def interrupted(self) -> bool:
        return self.stop.is_set() and not self.in_time

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        if not self.stop.is_set():
            self.in_time = True
            self.stop.set()


def _for_cameras(settings: RunSettings) -> RunSettings:
    """Return settings with a key to seal URLs with, and room for cameras that are added while it runs."""
    cameras = len(settings.decoder.cameras)
    if not cameras:
        return settings
    most = max(settings.decoder.max_sources, cameras + _SPARE_CAMERAS)
    decoder = settings.decoder.model_copy(update={"max_sources": most})
    return settings.model_copy(update={"decoder": decoder, "secret_key": settings.secret_key or new_key()})


def _supervise(settings: RunSettings, plan: Plan, broker: Broker, display: Display, end: _End) -> Outcome:
    if hint := naming_hint(settings.detector.over(read_card(settings.detector.model))):
        display.log({"level": "warning", "event": hint})
    supervisor = Supervisor(broker, plan, display.log)
    supervisor.prepare()
    tell_decoders(broker, settings.decoder, Seal(settings.secret_key))
    error: str | None = None
    try:
        with display:
            supervisor.run(end.stop, display.update)
    except StageError as failure:
        if failure.code == 2:
            raise ConfigError(str(failure)) from failure
        error = str(failure)
    return Outcome(tuple(_reports(settings, broker, interrupted=end.stop.is_set())), error)


def _reports(settings: RunSettings, broker: Broker, *, interrupted: bool) -> Iterator[SourceReport]:
    """Yield what became of each source: those of the settings, then the cameras that were added later."""
    for name, recording in settings.decoder.recordings:
        yield report_source(broker, name, str(recording.path), _written(settings, name), interrupted=interrupted)
    added = {name: wish.shown for name, wish in Registry(broker).read().items()}
    for name in [*settings.decoder.cameras, *sorted(added.keys() - settings.decoder.cameras.keys())]:
        yield report_camera(broker, name, added.get(name, ""), _segments(settings, broker, name))


@contextmanager
def _run_folder() -> Iterator[Path]:
    """Yield a folder of one's own with a short path, gone afterwards; that of a run that was killed goes now."""
    for left in Path(tempfile.gettempdir()).glob(f"{RUN_FOLDER}*-*"):
        if not _lives(left.name.removeprefix(RUN_FOLDER).split("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{RUN_FOLDER}{os.getpid()}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: str) -> bool:
    return not pid.isdigit() or Path(f"/proc/{pid}").exists()


@contextmanager
def _with_redis(settings: RunSettings, folder: Path, budget: Budget, display: Display) -> Iterator[RunSettings]:
    """Yield the settings with the URL of the given Redis, or of one that lives as long as the run."""
    settings = settings.model_copy(update={"memory_mb": budget.total_mb})
    if settings.redis.url is not None:
        yield settings
        return
    share_mb = budget.total_mb if settings.flow.frame_store == "redis" else budget.broker_mb
    told = {"level": "warning", "event": "the broker died; started again, with an empty memory"}
    with KeptBroker(folder, share_mb * MIB, lambda: display.log(told)) as server:
        yield settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": server.url})})


def _prepare_output(settings: RunSettings, *, force: bool) -> None:
    """Make the output folder, and see that no output of an earlier run is lost unasked.

    Raises:
        ConfigError: the folder can't be written to, outputs exist and `force` is not given, or one is a source.
    """
    folder = settings.annotator.output
    recordings = settings.decoder.recordings
    wanted = [Path(file) for name, _ in recordings for file in _files(settings, name)]
    if recordings:  # a camera's outputs are named by their time: nothing of an earlier run is lost
        wanted.insert(0, folder / "manifest.json")
    sources = {recording.path.resolve() for _, recording in recordings}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        own = [path for path in wanted if path.resolve() in sources]
        if own:
            raise ConfigError(f"{own[0]} is both a source and an output: choose another --output")
        existing = [path for path in wanted if path.exists()]
        if existing and not force:
            raise ConfigError(f"{existing[0]} exists: choose another --output, or overwrite it with --force")
        for path in existing:
            path.unlink()
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigError(f"output folder {folder}: can't be written to: {error.strerror}") from error


def _names(settings: RunSettings) -> list[str]:
    return [item.name for item in settings.decoder.sources]


def _files(settings: RunSettings, source: str) -> list[str]:
    output = settings.annotator.output
    return [str(path) for sink in settings.annotator.sinks for path in sink.outputs(output, source)]


def _segments(settings: RunSettings, broker: Broker, source: str) -> list[str]:
    segments = json.loads(Ledger(broker, source).read().text("segments") or "[]")
    return [file for segment in segments for file in _files(settings, segment) if Path(file).exists()]


def _written(settings: RunSettings, source: str) -> list[str]:
    return [file for file in _files(settings, source) if Path(file).exists()]


def _facts(settings: RunSettings, broker: Broker, detectors: int) -> dict[str, Any]:
    model = settings.detector.model
    card = settings.detector.over(read_card(model))
    engines = sorted({name.decode() for name in broker.get_fields(keys.ENGINES).values()})
    return {
        "model": {
            "name": model,
            "sha256": fingerprint(model),
            "layout": card.layout,
            "input_size": card.input_size,
            "classes": card.class_names,
            "named_by": card.named_by,
        },
        "engine": ", ".join(engines) or None,
        "detectors": detectors,
        "settings": settings.model_dump(mode="json", exclude={"redis": {"url"}, "name": True, "secret_key": True}),
    }
