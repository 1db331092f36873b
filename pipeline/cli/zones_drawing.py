"""What `detstream zones draw` does."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from pipeline.cli.config import RunSettings
from pipeline.errors import ConfigError, SinkError, SourceError
from pipeline.messages import ZoneCount
from pipeline.settings import load, variables
from stages.annotator.canvas import Canvas
from stages.annotator.draw_zones import draw_zones
from stages.annotator.grid import draw_grid, write_png
from stages.decoder.address import parse
from stages.decoder.live.clock import CaptureClock
from stages.decoder.live.opening import opened
from stages.decoder.sources.camera import CameraSource
from stages.decoder.sources.file import FileSource
from stages.decoder.sources.listing import NamedCamera, NamedUrl, expand_all
from stages.decoder.sources.url import UrlSource
from stages.tracker.geometry import rounded
from stages.tracker.settings import TrackerSettings


def drawn(source: str, config: Path | None, output: Path | None, at_s: float) -> Path:
    """Write the picture of a source, and return where it is.

    Raises:
        ConfigError: there is no such source, or the settings are wrong.
        SourceError: it gives no picture.
        SinkError: the picture can't be written.
    """
    settings = load(RunSettings, config)
    name, where = _source(source, settings)
    image = _shot(where) if isinstance(where, CameraSource) else _picture(where, at_s)
    draw_zones(Canvas(image), tuple(_places(name, settings.tracker, image)), image.shape[1::-1], counted=False)
    draw_grid(image)
    path = output or Path(f"{name}.zones.png")
    try:
        write_png(path, image)
    except OSError as error:
        raise SinkError(f"{path} can't be written: {error.strerror or error}") from error
    return path


def _source(text: str, settings: RunSettings) -> tuple[str, FileSource | UrlSource | CameraSource]:
    """Return a source's name and settings: of the settings file, or as on the command line of `run`."""
    for named in settings.decoder.sources:
        if named.name == text:
            return named.name, named.source
    (found, *more) = expand_all([text])
    if more:
        raise ConfigError(f"{text} stands for {len(more) + 1} sources: name one")
    if isinstance(found, NamedCamera):
        return found.name, CameraSource(url=SecretStr(found.url))
    if isinstance(found, NamedUrl):
        return found.name, UrlSource(url=SecretStr(found.url))
    return found.name, FileSource(path=found.path)


def _picture(recording: FileSource | UrlSource, at_s: float) -> NDArray[np.uint8]:
    with closing(recording.model_copy(update={"from_s": at_s or None}).build()) as opened_file:
        for frame in opened_file.frames():
            if frame.error is None:
                return frame.scaled(frame.width, frame.height)
    raise SourceError(f"{recording.address} has no frame at {at_s:g} s: give an earlier time")


def _shot(camera: CameraSource) -> NDArray[np.uint8]:
    address = parse(camera.url.get_secret_value(), variables())
    with opened(address, camera, CaptureClock()) as video:
        for frame in video:
            if frame.corrupt is None:
                return frame.scaled(frame.width, frame.height)
    raise SourceError(f"{address} gave no picture")


def _places(name: str, tracker: TrackerSettings, image: NDArray[np.uint8]) -> Iterator[ZoneCount]:
    height, width = image.shape[:2]
    for zone in tracker.zones:
        if zone.applies_to(name) and zone.polygon is not None:
            yield ZoneCount(zone.name, 0, 0, 0, rounded(zone.pixels(zone.polygon, width, height)))
    for line in tracker.lines:
        if line.applies_to(name):
            yield ZoneCount(line.name, 0, 0, None, rounded(line.pixels(line.line, width, height)))
