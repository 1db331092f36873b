"""Data sets of either kind, told apart by the name of their file."""

from os import PathLike
from pathlib import Path

from detstream.coco_labels import read_coco
from detstream.labels import Dataset
from detstream.yolo_labels import read_yolo
from pipeline.errors import ConfigError


def read_dataset(data: str | PathLike[str], images: str | PathLike[str] | None = None) -> Dataset:
    """Return the data set that an Ultralytics data YAML or a COCO JSON describes; `images` is a JSON's folder.

    Raises:
        ConfigError: a file is missing or wrong, or there is nothing in it to measure with.
    """
    file = Path(data).expanduser()
    folder = None if images is None else Path(images).expanduser()
    if not file.is_file():
        raise ConfigError(f"data: there is no file {file}: give an Ultralytics data YAML or a COCO JSON")
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"images: there is no folder {folder}")
    if file.suffix.lower() == ".json":
        return read_coco(file, folder).checked()
    if folder is not None:
        raise ConfigError(f"images: only for a COCO JSON: {file} names the folder by itself")
    if file.suffix.lower() not in (".yaml", ".yml"):
        raise ConfigError(f"data: {file} is neither an Ultralytics data YAML nor a COCO JSON, by its suffix")
    return read_yolo(file).checked()
