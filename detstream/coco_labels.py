"""Data sets as COCO has them: one JSON of pictures, categories and annotations, and a folder of pictures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from detstream.labels import Dataset, Labelled
from pipeline.errors import ConfigError

_PARTS: Final = ("images", "categories", "annotations")


def read_coco(file: Path, images: Path | None = None) -> Dataset:
    """Return the pictures of a COCO JSON, which lie in `images`, or where COCO's own do beside the JSON.

    The classes are the categories in the order of their ids, which may have holes, as COCO's 1 to 90.

    Raises:
        ConfigError: a file is missing or wrong: one line that names it, and the entry in it.
    """
    content = _content(file)
    categories = _by_id(file, "categories", content["categories"], "name")
    classes = {number: index for index, number in enumerate(sorted(categories))}
    entries = _by_id(file, "images", content["images"], "file_name")
    annotations: dict[Any, list[Mapping[str, Any]]] = {number: [] for number in entries}
    for annotation in content["annotations"]:
        _check(file, annotation, entries, classes)
        annotations[annotation["image_id"]].append(annotation)
    folder = images or _folder(file, [str(entry["file_name"]) for entry in entries.values()])
    names = tuple(str(categories[number]["name"]) for number in classes)
    pictures = [_labelled(file, folder, entry, annotations[number], classes) for number, entry in entries.items()]
    return Dataset(file, names, pictures)


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON, which says the line
        raise ConfigError(f"{file}: is no JSON: {error}") from error
    missing = [part for part in _PARTS if not isinstance(content, dict) or not isinstance(content.get(part), list)]
    if missing:
        raise ConfigError(f"{file}: is no COCO data set: it has no list {', '.join(missing)}")
    return dict(content)


def _by_id(file: Path, part: str, entries: Sequence[Any], key: str) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), int) or not isinstance(entry.get(key), str):
            raise ConfigError(f"{file}: {part}[{index}]: needs a whole number as id, and {key}")
        if entry["id"] in found:
            raise ConfigError(f"{file}: {part}[{index}]: the id {entry['id']} stands there twice")
        found[entry["id"]] = entry
    return found


def _check(file: Path, annotation: Any, images: Mapping[int, Any], classes: Mapping[int, int]) -> None:
    if not isinstance(annotation, dict):
        raise ConfigError(f"{file}: annotation {annotation!r:.60} is none")
    where = f"{file}: annotation {annotation.get('id')}"
    image, category, box = (annotation.get(key) for key in ("image_id", "category_id", "bbox"))
    if not isinstance(image, int) or image not in images:
        raise ConfigError(f"{where}: is of no picture in images")
    if not isinstance(category, int) or category not in classes:
        raise ConfigError(f"{where}: category {category!r:.60} is none of the {len(classes)} categories")
    if not _is_box(box):
        raise ConfigError(f"{where}: bbox: {box!r:.60}: must be left, top, width, height in pixels")


def _is_box(box: Any) -> bool:
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(side, int | float) for side in box):
        return False
    return bool(np.isfinite(box).all()) and min(box[2:]) >= 0


def _folder(file: Path, names: Sequence[str]) -> Path:
    """Return where the pictures are: beside the JSON, or as in COCO's own folders."""
    subset = file.stem.removeprefix("instances_")
    beside = [above / inside for above in (file.parent, file.parent.parent) for inside in ("", "images", subset)]
    folders = [*beside, file.parent.parent / "images" / subset]
    found = next((folder for folder in folders if names and (folder / names[0]).is_file()), None)
    if found is None and names:
        raise ConfigError(f"{file}: its picture {names[0]} was not found: name their folder (--images DIR)")
    return found or file.parent


def _labelled(
    file: Path,
    folder: Path,
    entry: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    classes: Mapping[int, int],
) -> Labelled:
    path = folder / entry["file_name"]
    if not path.is_file():
        raise ConfigError(f"{file}: image {entry['id']}: there is no picture {path}")
    boxes = np.array([annotation["bbox"] for annotation in annotations], np.float64).reshape(-1, 4)
    areas = [annotation.get("area") for annotation in annotations]
    known = [box[2] * box[3] if area is None else area for box, area in zip(boxes, areas, strict=True)]
    size = (entry["height"], entry["width"]) if entry.get("height") and entry.get("width") else None
    return Labelled(
        path,
        boxes,
        np.array([classes[annotation["category_id"]] for annotation in annotations], np.int64),
        np.array([bool(annotation.get("iscrowd", 0)) for annotation in annotations], np.bool_),
        np.array(known, np.float64),
        size=size,
    )
