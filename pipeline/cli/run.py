"""`detstream run`: sources in, outputs and a report of what became of each source out."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Any, Final

from pipeline import keys
from pipeline.broker import Broker
from pipeline.cli.config import RunSettings, write
from pipeline.cli.display import Display
from pipeline.cli.models import naming_hint
from pipeline.connect import open_broker, ring_folder
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import ConfigError, SinkError, StageError
from pipeline.memory import MIB, Budget, plan
from pipeline.supervisor.report import SourceReport, manifest, report_source, write_manifest
from pipeline.supervisor.supervisor import Plan, Supervisor
from stages.detector.yolo_nas.card import fingerprint, read_card

_RUN_FOLDER: Final = "detstream-run-"


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
    settings: RunSettings, detectors: int, display: Display, stop: Event, *, force: bool
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
        settings = stack.enter_context(_with_redis(settings, folder, budget))
        broker = open_broker(settings)
        stack.callback(broker.close)
        write(settings, folder / "config.yaml")
        outcome = _supervise(settings, Plan(folder / "config.yaml", _names(settings), detectors), broker, display, stop)
        facts = {"detstream": version("detstream"), **_facts(settings, broker, detectors)}
    written = manifest(outcome.reports, started_s, facts)
    try:
        write_manifest(settings.annotator.output, written)
    except SinkError as failure:
        outcome = replace(outcome, error=outcome.error or str(failure))
    return outcome, written


def _supervise(settings: RunSettings, plan: Plan, broker: Broker, display: Display, stop: Event) -> Outcome:
    if hint := naming_hint(settings.detector.over(read_card(settings.detector.model))):
        display.log({"level": "warning", "event": hint})
    supervisor = Supervisor(broker, plan, display.log)
    supervisor.prepare()
    error: str | None = None
    try:
        with display:
            supervisor.run(stop, display.update)
    except StageError as failure:
        if failure.code == 2:
            raise ConfigError(str(failure)) from failure
        error = str(failure)
    interrupted = stop.is_set()
    reports = tuple(
        report_source(broker, item.name, str(item.source.path), _written(settings, item.name), interrupted=interrupted)
        for item in settings.decoder.sources
    )
    return Outcome(reports, error)


@contextmanager
def _run_folder() -> Iterator[Path]:
    """Yield a folder of one's own with a short path, gone afterwards; that of a run that was killed goes now."""
    for left in Path(tempfile.gettempdir()).glob(f"{_RUN_FOLDER}*-*"):
        if not _lives(left.name.removeprefix(_RUN_FOLDER).split("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_RUN_FOLDER}{os.getpid()}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: str) -> bool:
    return not pid.isdigit() or Path(f"/proc/{pid}").exists()


@contextmanager
def _with_redis(settings: RunSettings, folder: Path, budget: Budget) -> Iterator[RunSettings]:
    """Yield the settings with the URL of the given Redis, or of one that lives as long as the run."""
    settings = settings.model_copy(update={"memory_mb": budget.total_mb})
    if settings.redis.url is not None:
        yield settings
        return
    share_mb = budget.total_mb if settings.flow.frame_store == "redis" else budget.broker_mb
    with EmbeddedBroker(folder, max_memory_bytes=share_mb * MIB) as server:
        yield settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": server.url})})


def _prepare_output(settings: RunSettings, *, force: bool) -> None:
    """Make the output folder, and see that no output of an earlier run is lost unasked.

    Raises:
        ConfigError: the folder can't be written to, outputs exist and `force` is not given, or one is a source.
    """
    folder = settings.annotator.output
    wanted = [folder / "manifest.json", *(Path(file) for name in _names(settings) for file in _files(settings, name))]
    sources = {item.source.path.resolve() for item in settings.decoder.sources}
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
        "settings": settings.model_dump(mode="json", exclude={"redis": {"url"}, "name": True}),
    }
