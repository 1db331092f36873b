"""What a `source` stands for: files of pictures and videos, and pictures in memory, in their order."""

import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detstream.in_memory import as_pictures, is_picture
from pipeline.errors import ConfigError
from stages.decoder.sources.listing import expand

Item: TypeAlias = Path | NDArray[np.uint8]
"""A file, or a picture, BGR uint8 (H, W, 3)."""

_SUFFIXES: Final = frozenset(".bmp .dib .jpe .jpeg .jpg .jp2 .pbm .pgm .png .pnm .ppm .tif .tiff .webp".split())


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """What there is to look at."""

    items: Iterable[Item]
    """Of a list that is complete, a sequence."""
    single: bool
    """Whether it is one file or picture, named as such: if it can't be read, there is nothing to go on with."""

    @property
    def paths(self) -> Sequence[Path]:
        """The files, as far as they are known beforehand."""
        return [item for item in self.items if isinstance(item, Path)] if isinstance(self.items, Sequence) else []


def is_image(path: Path) -> bool:
    """Return whether it is a picture, by its name; anything else is taken for a video."""
    return path.suffix.lower() in _SUFFIXES


def listed(source: object) -> Listing:
    """Return what a file, folder, glob, picture, or a list or iterator of such, stands for.

    Raises:
        ConfigError: it does not exist, holds neither pictures nor videos, or is of a kind that is no source.
    """
    if isinstance(source, Iterator):
        return Listing((item for one in source for item in _items(one)), single=False)
    if isinstance(source, list | tuple):
        return Listing([item for one in source for item in _items(one)], single=False)
    items = _items(source)
    return Listing(items, single=len(items) == 1 and not (isinstance(items[0], Path) and _is_many(source)))


def _items(source: object) -> list[Item]:
    if is_picture(source):
        return list(as_pictures(source))
    if not isinstance(source, str | PathLike):
        kind = type(source).__name__
        raise ConfigError(f"a {kind} is no source: give a path, folder, glob, numpy or PIL image, or a list of these")
    try:
        return list(_files(str(source)))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{str(source)!r:.200} can't be read ({reason}): check the path") from error


def _is_many(source: object) -> bool:
    path = Path(str(source)).expanduser()
    return path.is_dir() or not path.exists()


def _files(text: str) -> list[Path]:
    path = Path(text).expanduser()
    if text and path.is_file():
        return [path]
    if text and path.is_dir():
        inside = (found for found in path.rglob("*") if not any(p[0] == "." for p in found.relative_to(path).parts))
    else:
        inside = (Path(name) for name in glob.iglob(str(path), recursive=True))  # noqa: PTH207 - takes any pattern
    images = sorted((found for found in inside if is_image(found) and found.is_file()), key=_natural)
    return [*images, *_videos(text, may_be_none=bool(images), is_folder=bool(text) and path.is_dir())]


def _videos(text: str, *, may_be_none: bool, is_folder: bool) -> list[Path]:
    """Return the videos of a folder or glob, listed as for `detstream run`."""
    try:
        found = [item.path for item in expand([text])]
    except ConfigError as error:
        if may_be_none:
            return []
        if is_folder:
            raise ConfigError(f"{text} is a folder without pictures or videos: name another") from error
        raise
    # A glob without videos stands for all files that match.
    return [] if any(is_image(path) for path in found) else found


def _natural(path: Path) -> list[tuple[str, int]]:
    """Return a key that sorts bus2 before bus10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", str(path))]
