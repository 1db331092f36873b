"""From arguments, a settings file and the environment to one file that all stages of a run read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.settings import KernelSettings, explain, load, merge, variables
from stages.annotator.settings import AnnotatorSettings, chosen
from stages.decoder.settings import MOST_READERS, DecoderSettings
from stages.decoder.settings import NamedSource as NamedSettings
from stages.decoder.sources.listing import NamedCamera, NamedSource, NamedUrl, expand_all
from stages.decoder.sources.url import UrlSource
from stages.decoder.wishes import check
from stages.detector.cores import usable_cores
from stages.detector.finder import class_ids
from stages.detector.settings import DetectorSettings, precision
from stages.detector.yolo_nas.card import ModelCard, read_card
from stages.tracker.settings import TrackerSettings

_BORDER: Final = 4
"""The letterbox leaves so many pixels free on both axes together, as the original does."""


class RunSettings(KernelSettings):
    """The whole settings file."""

    decoder: DecoderSettings = DecoderSettings()
    detector: DetectorSettings = DetectorSettings()
    tracker: TrackerSettings = TrackerSettings()
    annotator: AnnotatorSettings = AnnotatorSettings()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The arguments of `detstream run` that change settings; None where one was not given."""

    sources: tuple[str, ...] = ()
    output: Path | None = None
    config: Path | None = None
    model: str | None = None
    engine: str | None = None
    imgsz: str | None = None
    half: bool = False
    int8: bool = False
    detectors: int = 1
    conf: float | None = None
    iou: float | None = None
    names: str | None = None
    classes: str | None = None
    video: bool = True
    formats: str | None = None
    fps: float | None = None
    motion: bool | None = None
    every: int | None = None
    from_s: float | None = None
    to_s: float | None = None
    join: bool = False
    watch: tuple[Path, ...] = ()
    parallel: str | None = None
    hash: bool = False

    @property
    def sampling(self) -> dict[str, Any]:
        """Which frames of recordings are looked at."""
        return _given({name: getattr(self, name) for name in ("every", "fps", "from_s", "to_s")})


def resolve(options: RunOptions) -> RunSettings:
    """Return the settings of a run: the file, the environment over it, the arguments over both.

    Raises:
        ConfigError: one line that names what is wrong and what is allowed.
        ModelError: the model is missing or damaged.
    """
    base = load(RunSettings, options.config)
    values = merge(base.model_dump(exclude_unset=True), _from_arguments(options, base))
    settings = _validated(values)
    if not settings.decoder.sources and not settings.decoder.watch.folders:
        raise ConfigError(
            "no source: name a file, a folder, a glob or a camera's URL, or list decoder.sources in the settings file"
        )
    card = settings.detector.over(read_card(settings.detector.model))
    class_ids(settings.detector.classes, card)
    return _validated(merge(settings.model_dump(), _derived(settings, card, base, options.detectors)))


def write(settings: RunSettings, path: Path) -> None:
    """Write settings for the stages, readable by their owner only; cameras are not among them, but in the registry."""
    path.touch(mode=0o600)
    values = settings.model_dump(mode="json", exclude={"name": True, "decoder": {"sources"}})
    recordings = [_with_secret(item) for item in settings.decoder.sources if item.source.kind != "camera"]
    values["decoder"] |= {"sources": recordings} | ({"serve": True} if settings.decoder.cameras else {})
    path.write_text(json.dumps(values))


def _with_secret(item: NamedSettings) -> dict[str, Any]:
    values = item.model_dump(mode="json")
    if isinstance(item.source, UrlSource):
        values["source"]["url"] = item.source.url.get_secret_value()
    return values


def _from_arguments(options: RunOptions, base: RunSettings) -> dict[str, Any]:
    given = ("model", "imgsz", "names", "conf", "iou")
    detector: dict[str, Any] = {name: getattr(options, name) for name in given}
    kind = options.engine or base.detector.engine.kind
    asked = precision(kind, half=options.half, int8=options.int8)
    if asked or kind != base.detector.engine.kind:
        detector["engine"] = {"kind": kind, **asked}
    if options.classes:
        detector["classes"] = tuple(item.strip() for item in options.classes.split(",") if item.strip())
    annotator: dict[str, Any] = {"output": options.output}
    sinks = tuple(sink.model_dump() for sink in base.annotator.sinks)
    if options.formats is not None:
        sinks = chosen(options.formats, base.annotator.sinks)
    if options.formats is not None or not options.video:
        annotator["sinks"] = tuple(sink for sink in sinks if options.video or sink["kind"] != "video")
    values = {"detector": _given(detector), "annotator": _given(annotator)}
    return values | {"decoder": _decoder(options)}


def _decoder(options: RunOptions) -> dict[str, Any]:
    if options.parallel not in (None, "auto", *map(str, range(1, MOST_READERS + 1))):
        most = f"1 to {MOST_READERS}"
        raise ConfigError(f"--parallel {options.parallel}: write auto, or how many recordings to read at once, {most}")
    decoder: dict[str, Any] = {"parallel": options.parallel, "hash": options.hash or None}
    if options.sources:
        found = expand_all(options.sources, join=options.join)
        decoder["sources"] = tuple(_source(item, options) for item in found)
    if options.watch:
        decoder["watch"] = {"folders": options.watch, **options.sampling}
    return _given(decoder)


def _source(item: NamedSource | NamedUrl | NamedCamera, options: RunOptions) -> dict[str, Any]:
    if isinstance(item, NamedUrl):
        return {"name": item.name, "source": {"kind": "url", "url": item.url, **options.sampling}}
    if isinstance(item, NamedSource):
        joined = {"join": True} if item.is_joined else {}
        return {"name": item.name, "source": {"kind": "file", "path": item.path, **joined, **options.sampling}}
    check(item.url, variables())  # what is wrong with it is said at once
    chosen = _given({"fps": options.fps, "motion": options.motion})
    return {"name": item.name, "source": {"kind": "camera", "url": item.url, **chosen}}


def _derived(settings: RunSettings, card: ModelCard, base: RunSettings, detectors: int) -> dict[str, Any]:
    """Return what follows from other settings, where nobody has set it."""
    height, width = card.input_size
    kinds = {sink.kind for sink in settings.annotator.sinks}
    snapshots = settings.tracker.snapshots if "events" in kinds else ()  # else nobody would write them
    flow = {
        "picture_size": (height - _BORDER, width - _BORDER),
        "full_size": settings.annotator.draws or bool(snapshots),
    }
    flow |= base.flow.model_dump(include=base.flow.model_fields_set & flow.keys())
    engine = settings.detector.engine
    share = {"streams": max(usable_cores() // detectors, 1)} if not getattr(engine, "streams", 1) else {}
    return {"flow": flow, "tracker": {"snapshots": snapshots}, "detector": {"engine": share}}


def _validated(values: Mapping[str, Any]) -> RunSettings:
    try:
        return RunSettings(**values)
    except ValidationError as error:
        raise ConfigError(explain(RunSettings, error.errors()[0])) from error


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
