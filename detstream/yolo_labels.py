"""Data sets as Ultralytics has them: a YAML that names folders, and a text file of labels a picture."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detstream.labels import Dataset, Labelled
from detstream.sources import is_image
from pipeline.errors import ConfigError
from pipeline.settings import read_yaml
from stages.detector.yolo_nas.class_names import listed

_BEYOND: Final = 0.01
"""By how much a share may leave [0, 1], as in Ultralytics."""
_WANTED: Final = "a line is: class x_centre y_centre width height, in shares of the picture (or class x1 y1 x2 y2 …)"


def read_yolo(file: Path) -> Dataset:
    """Return the pictures under `val` in a data YAML, which is a folder, a text file of paths, or a list of these.

    `path` and `val` are relative to the YAML's folder, or else to the current one. A picture's labels are in `labels/`
    where the picture is in `images/`; a picture without a label file shows nothing.

    Raises:
        ConfigError: a file is missing or wrong: one line that names it, and the line in it.
    """
    values = read_yaml(file)
    names = _names(file, values)
    given = values.get("val")
    wanted = [item for item in (given if isinstance(given, list) else [given]) if isinstance(item, str) and item]
    if not wanted or (isinstance(given, list) and len(wanted) < len(given)):
        raise ConfigError(f"{file}: val: must be a folder of pictures, a text file of their paths, or a list of these")
    root = _root(file, values)
    paths = [path for item in wanted for path in _pictures(file, root, item)]
    return Dataset(file, names, [_labelled(path, len(names)) for path in paths])


def _names(file: Path, values: Mapping[str, Any]) -> tuple[str, ...]:
    count, given = values.get("nc"), values.get("names")
    names = listed(given)
    if names is None and given is None and isinstance(count, int) and count > 0:
        return tuple(f"class_{number}" for number in range(count))
    if names is None:
        raise ConfigError(f"{file}: names: must be a list of class names, or numbers from 0 and names")
    if count not in (None, len(names)):
        raise ConfigError(f"{file}: nc: says {count} classes, names: has {len(names)}")
    return names


def _root(file: Path, values: Mapping[str, Any]) -> Path:
    given = Path(str(values.get("path") or ".")).expanduser()
    beside = file.parent / given
    return beside if beside.exists() or not given.exists() else given


def _pictures(file: Path, root: Path, item: str) -> Iterator[Path]:
    place = root / Path(item).expanduser()
    if not place.exists() and item.startswith("../"):
        place = root / item.removeprefix("../")  # Roboflow writes these one folder too high
    if place.is_dir():
        found = sorted(path for path in place.rglob("*") if is_image(path) and path.is_file())
        if not found:
            raise ConfigError(f"{file}: val: {place} holds no pictures")
        yield from found
    elif place.is_file():
        yield from _listed_in(place)
    else:
        raise ConfigError(f"{file}: val: there is no {place}: check path and val")


def _listed_in(listing: Path) -> Iterator[Path]:
    for number, line in _lines(listing):
        given = Path(line).expanduser()
        path = listing.parent / given
        if not path.is_file() and not given.is_file():
            raise ConfigError(f"{listing}:{number}: there is no picture {path}")
        yield path if path.is_file() else given


def _labelled(path: Path, classes: int) -> Labelled:
    parts = list(path.parts)
    if "images" in parts[:-1]:
        parts[len(parts) - 2 - parts[-2::-1].index("images")] = "labels"
    file = Path(*parts).with_suffix(".txt")
    # A label that stands there twice is one, as in Ultralytics.
    rows = (
        dict.fromkeys(_row(f"{file}:{number}", line, classes) for number, line in _lines(file)) if file.exists() else {}
    )
    table = np.array(list(rows), np.float64).reshape(-1, 5)
    xywh = table[:, 1:].copy()
    xywh[:, :2] -= xywh[:, 2:] / 2
    return Labelled(path, xywh, table[:, 0].astype(np.int64), np.zeros(len(table), np.bool_), in_shares=True)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers from 1."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: can't be read: {getattr(error, 'strerror', None) or error}") from error
    return ((number, line.strip()) for number, line in enumerate(lines, 1) if line.strip())


def _row(where: str, line: str, classes: int) -> tuple[float, ...]:
    """Return class, x and y of the centre, width and height."""
    try:
        values = np.array(line.split(), np.float64)
    except ValueError as error:
        raise ConfigError(f"{where}: {line!r:.60} is no label: {_WANTED}") from error
    if len(values) < 5 or len(values) % 2 == 0 or not np.isfinite(values).all():
        raise ConfigError(f"{where}: {line!r:.60} is no label: {_WANTED}")
    if values[0] not in range(classes):
        raise ConfigError(f"{where}: class {values[0]:g} is none of the {classes} classes, 0 to {classes - 1}")
    if values[1:].min() < -_BEYOND or values[1:].max() > 1 + _BEYOND:
        raise ConfigError(f"{where}: {line!r:.60} is not in shares of the picture, 0 to 1: {_WANTED}")
    box = values[1:] if len(values) == 5 else _around(values[1:].reshape(-1, 2))
    return (values[0], *box)


def _around(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the box, centre and size, around the corners (N, 2) of an outline."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    return np.hstack([(low + high) / 2, high - low])
