"""Annotated images and videos, one a source, in a folder."""

import re
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from detstream.result import Result
from detstream.sources import is_image
from pipeline.errors import ConfigError, SinkError
from stages.annotator.sinks.video import VideoSink, VideoWriter
from stages.decoder.picture import from_bgr

_WRITABLE: Final = frozenset(".bmp .jpeg .jpg .png .webp .tif .tiff".split())


class Saver:
    """Draws results into `bus.jpg`, `clip.mp4`, … of a folder; sources of the same name become `bus-2.jpg`, …

    An image appears when its result is added, a video when the next source begins or the saver is closed.
    """

    def __init__(self, folder: str | PathLike[str], *, force: bool = False) -> None:
        """Make the folder; nothing is overwritten but with `force`.

        Raises:
            ConfigError: it can't be made.
        """
        self._folder, self._force = Path(folder), force
        self._given: dict[str, Path] = {}
        self._writer: VideoWriter | None = None
        self._source: str | None = None
        self._frames = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"output folder {folder} can't be made: {error.strerror}") from error

    def reserve(self, sources: Iterable[str | PathLike[str]]) -> None:
        """Check that all outputs of these sources may be written, before the work begins.

        Raises:
            ConfigError: one exists, or is its own source.
        """
        for source in sources:
            self.target(str(source))

    def target(self, source: str) -> Path:
        """Return the file that a source's pictures go to.

        Raises:
            ConfigError: it exists, or is the source.
        """
        if source not in self._given:
            target = self._unused(Path(source))
            if target.resolve() == Path(source).resolve():
                raise ConfigError(f"{target} is both a source and an output: choose another output folder")
            if target.exists() and not self._force:
                raise ConfigError(f"{target} exists: choose another output folder, or overwrite it with force")
            self._given[source] = target
        return self._given[source]

    def add(self, result: Result) -> None:
        """Draw a result; one without a picture is left out, or repeats the last one of its video.

        Raises:
            SinkError: the file can't be written.
        """
        if result.path != self._source:
            self.close()
            self._source, self._frames = result.path, 0
        if not result.picture.is_video:
            if result.error is None:
                result.save(self.target(result.path))
        elif result.picture.is_frame:
            image = None if result.error else from_bgr(result.orig_img)
            self._video(result.path).write(result.detections, image)
            self._frames += 1

    def close(self) -> None:
        """Finish the video that is being written."""
        writer, self._writer = self._writer, None
        self._source = None
        if writer is not None:
            writer.finish(self._frames, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _video(self, source: str) -> VideoWriter:
        if self._writer is None:
            target, settings = self.target(source), VideoSink()
            try:
                for path in settings.outputs(self._folder, target.stem):
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise SinkError(f"{target} can't be overwritten: {error.strerror}") from error
            self._writer = settings.build(self._folder, target.stem)
        return self._writer

    def _unused(self, source: Path) -> Path:
        image = is_image(source)
        suffix = ".mp4" if not image else source.suffix if source.suffix.lower() in _WRITABLE else ".jpg"
        stem = re.sub(r"[^\w. -]", "-", source.stem) or "source"
        taken, number, target = set(self._given.values()), 1, self._folder / f"{stem}{suffix}"
        while target in taken:
            number += 1
            target = self._folder / f"{stem}-{number}{suffix}"
        return target
