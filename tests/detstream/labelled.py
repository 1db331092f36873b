"""Data sets for tests, on disk."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np

HELD_OUT: Final = Path(__file__).parents[2] / "demo/held-out"


def picture(path: Path, width: int = 64, height: int = 32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
    return path


def yolo(folder: Path, labels: Mapping[str, str], head: str = "names: [person, car]\nval: images") -> Path:
    """Write pictures and their labels; a text that is `-` stands for no file."""
    for name, text in labels.items():
        picture(folder / "images" / f"{name}.png")
        if text != "-":
            (folder / "labels").mkdir(exist_ok=True)
            (folder / "labels" / f"{name}.txt").write_text(text)
    file = folder / "data.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(head + "\n")
    return file


def coco(folder: Path, annotations: Sequence[Any], changes: Mapping[str, Any] = MappingProxyType({})) -> Path:
    """Write two pictures and the annotations."""
    for number in (1, 2):
        picture(folder / f"{number}.png")
    images = [{"id": number, "file_name": f"{number}.png", "width": 64, "height": 32} for number in (1, 2)]
    categories = [{"id": 90, "name": "car"}, {"id": 1, "name": "person"}]
    file = folder / "instances.json"
    content = {"images": images, "categories": categories, "annotations": annotations}
    file.write_text(json.dumps(content | dict(changes)))
    return file


def annotation(**changes: Any) -> dict[str, Any]:
    return {"id": 7, "image_id": 1, "category_id": 90, "bbox": [8, 4, 16, 8], "area": 99.5, "iscrowd": 0} | changes
