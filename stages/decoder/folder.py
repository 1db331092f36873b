"""Videos in folders."""

import re
from pathlib import Path, PurePath
from typing import Final

SUFFIXES: Final = frozenset(
    ".3gp .264 .265 .asf .avi .flv .gif .h264 .h265 .hevc .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob "
    ".webm .wmv".split()
)


def videos_in(folder: Path) -> list[Path]:
    """Return the videos in a folder and in those in it, but for hidden ones, by name: cam2 before cam10."""
    inside = (path for path in folder.rglob("*") if not any(part[0] == "." for part in path.relative_to(folder).parts))
    return sorted((path for path in inside if is_video(path) and path.is_file()), key=natural)


def is_video(path: PurePath) -> bool:
    """Return whether a file is a video by its name."""
    return path.suffix.lower() in SUFFIXES


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Return a key that sorts cam2 before cam10."""
    pieces = re.findall(r"\d+|\D+", str(path))
    return [(0, int(piece), piece) if piece.isdecimal() else (1, 0, piece) for piece in pieces]
