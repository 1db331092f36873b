"""Names of classes: those of COCO, and those that a user gives."""

import json
from pathlib import Path
from typing import Any, Final

from pipeline.errors import ConfigError, ModelError
from pipeline.settings import read_yaml

COCO: Final = tuple(
    """
    person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,
    bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,
    snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,
    fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,
    potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,
    refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush
    """.strip().replace(",\n    ", ",").split(",")
)  # fmt: skip
"""The 80 classes of COCO's detection task, in its order."""


def read_names(given: str) -> tuple[str, ...]:
    """Return the class names in a file or in the text itself: ``a,b,c``.

    A file has one name a line, or is YAML or JSON: a list or ``{0: name}``, alone or under ``names``, as in data files
    of Ultralytics.

    Raises:
        ConfigError: There are no names in it, or one twice.
    """
    path = Path(given).expanduser()
    if path.suffix.lower() in (".yaml", ".yml", ".json", ".txt", ".names") or _is_file(path):
        names = _from_file(path)
    else:
        names = tuple(name.strip() for name in given.split(",") if name.strip())
    if not names:
        raise ConfigError(f"{given}: holds no class names")
    if double := next((name for i, name in enumerate(names) if name in names[:i]), None):
        raise ConfigError(f"{given}: the class name {double!r} stands there twice")
    return names


def listed(names: Any) -> tuple[str, ...] | None:
    """Return names from a list or from a dict of numbers and names, None if it is neither."""
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            return None
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names) or None


def in_header(text: str | None) -> tuple[str, ...] | None:
    """Return names from the JSON in an entry of a header, None if there are none."""
    try:
        return listed(json.loads(text)) if text else None
    except ValueError:
        return None


def named_by_default(count: int) -> tuple[str, ...]:
    """Return names for so many classes of which nothing is known: COCO's if they are 80."""
    return COCO if count == len(COCO) else tuple(f"class_{number}" for number in range(count))


def checked(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return names for so many classes.

    Raises:
        ModelError: There are more or fewer names.
    """
    if len(names) != count:
        raise ModelError(f"{len(names)} class names were given, the model has {count} classes")
    return names


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # 80 names are too long for the name of a file
        return False


def _from_file(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".json":
            content = json.loads(text)
        elif path.suffix.lower() in (".yaml", ".yml"):
            content = read_yaml(path)
        else:
            return tuple(line.strip() for line in text.splitlines() if line.strip())
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except ValueError as error:  # no UTF-8, no JSON
        raise ConfigError(f"{path}: holds no class names: {error}") from error
    names = content.get("names", content) if isinstance(content, dict) else content
    return listed(names) or ()
