"""Folders into which somebody puts recordings: each is taken when it is complete."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from pydantic import Field

from pipeline.errors import ConfigError, SourceError
from stages.decoder.folder import videos_in
from stages.decoder.opening import opened
from stages.decoder.sampling import Sampling

_LOOK_S: Final = 1.0
_GIVEN_UP_S: Final = 60.0
"""What can't be opened and hasn't grown for so long is taken, so that somebody is told."""


class WatchSettings(Sampling):
    """Folders to watch, and which frames of the recordings in them are looked at."""

    folders: tuple[Path, ...] = ()
    settle_s: float = Field(default=3.0, ge=0, le=3600)
    """A file that hasn't changed for so long, and can be opened, is complete."""


def check(settings: WatchSettings) -> None:
    """See that there is something to watch.

    Raises:
        ConfigError: a folder is not there, or is none.
    """
    for folder in settings.folders:
        if not folder.is_dir():
            what = "is a file, not a folder: name it as a source" if folder.exists() else "does not exist: make it"
            raise ConfigError(f"the watched folder {folder} {what}, or correct the path")


@dataclass(slots=True)
class _Seen:
    looks_like: tuple[int, int]
    """Size, and time of change."""
    since_s: float


class Watch:
    """Finds recordings as they come."""

    def __init__(self, settings: WatchSettings, now: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._now = settings, now
        self._looked_s = -_LOOK_S
        self._seen: dict[Path, _Seen] = {}
        self._taken: dict[str, Path] = {}
        self._dealt_with: set[Path] = set()
        self._gone: set[Path] = set()
        """Folders that are not there at the moment, as somebody was told."""

    @property
    def on(self) -> bool:
        """Whether anything is watched."""
        return bool(self._settings.folders)

    def found(self) -> Iterator[tuple[str, Path]]:
        """Yield name and path of the recordings that have become complete."""
        if not self.on or self._now() - self._looked_s < _LOOK_S:
            return
        self._looked_s = self._now()
        for folder in self._settings.folders:
            self._tell(folder)
            for path in videos_in(folder):
                if path not in self._dealt_with and self._is_complete(path):
                    self._dealt_with.add(path)
                    yield from self._named(folder, path)

    def _tell(self, folder: Path) -> None:
        """Say that a folder has gone, as with the disk it was on, and that it is back."""
        if folder.is_dir() == (folder not in self._gone):
            return
        self._gone ^= {folder}
        gone = folder in self._gone
        log = structlog.get_logger().warning if gone else structlog.get_logger().info
        log("the watched folder is gone" if gone else "the watched folder is back", folder=str(folder))

    def _is_complete(self, path: Path) -> bool:
        try:
            stat = path.stat()
        except OSError:  # gone again
            return False
        looks_like, now_s = (stat.st_size, stat.st_mtime_ns), self._now()
        seen = self._seen.get(path)
        if seen is None or seen.looks_like != looks_like:
            seen = self._seen[path] = _Seen(looks_like, now_s)
        quiet_s = now_s - seen.since_s
        complete = quiet_s >= self._settings.settle_s and (_opens(path) or quiet_s >= _GIVEN_UP_S)
        if complete:
            del self._seen[path]
        return complete

    def _named(self, folder: Path, path: Path) -> Iterator[tuple[str, Path]]:
        name = name_in(folder, path)
        if (other := self._taken.setdefault(name, path)) != path:
            error = f"its outputs would have the name of those of {other}: rename it"
            structlog.get_logger().error("not taken", path=str(path), error=error)
            return
        yield name, path


def name_in(folder: Path, path: Path) -> str:
    """Return the name of a recording in a watched folder: the same whenever it is found."""
    inside = path.relative_to(folder).with_suffix("")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(inside.parts)).lstrip("._-")[-90:].strip("._-") or "recording"


def _opens(path: Path) -> bool:
    """Return whether it can be opened, and all that its index speaks of is there."""
    try:
        with opened(path, 1, "slice") as (_, stream):
            reaches = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
            return reaches <= path.stat().st_size
    except (SourceError, OSError):
        return False
