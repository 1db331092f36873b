"""Recordings here: any file that FFmpeg reads, or several that are one."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from pipeline.errors import SourceError
from stages.decoder.folder import videos_in
from stages.decoder.recording import Recording, RecordingSettings

_PIECE: Final = 1 << 22


class FileSource(RecordingSettings):
    """Settings of a recording."""

    kind: Literal["file"] = "file"
    path: Path
    join: bool = False
    """Whether `path` is a folder whose videos, in the order of their names, are one recording."""

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self.path)

    @property
    def files(self) -> list[Path]:
        """The files that it is made of, in their order."""
        return videos_in(self.path) if self.join and self.path.is_dir() else [self.path]

    @property
    def size(self) -> int:
        """Of its files, bytes; 0 if they are not there."""
        try:
            return sum(path.stat().st_size for path in self.files)
        except OSError:
            return 0

    @property
    def identity(self) -> dict[str, Any]:
        """By what it is known to be the same, and which of its frames are looked at."""
        found = [path.stat() for path in self.files if path.exists()]
        size, changed = sum(stat.st_size for stat in found), max((stat.st_mtime_ns for stat in found), default=None)
        place = {"path": str(self.path.resolve()), "bytes": size, "changed_ns": changed}
        return place | {"join": self.join} | self.wish

    def contents(self) -> Iterator[bytes]:
        """Yield what is in its files, one behind the other, piece by piece.

        Raises:
            OSError: one can't be read.
        """
        for path in self.files:
            with path.open("rb") as file:
                yield from iter(partial(file.read, _PIECE), b"")

    def build(self) -> Recording:
        """Open it.

        Raises:
            SourceError: it is missing, unreadable, empty, no video, or without a video stream.
        """
        files = self.files
        if not files:
            raise SourceError(f"{self.path} is a folder without videos: name another")
        return Recording(files, self, self.size / max(files[0].stat().st_size, 1) if len(files) > 1 else 1.0)
