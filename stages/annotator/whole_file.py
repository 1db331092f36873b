"""A file that appears whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stages.annotator.append_file import sync_folder, writing


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield where to write; what is there at the end is on disk under the target's name, after an error nothing is.

    Raises:
        SinkError: it can't be written.
    """
    draft = target.with_name(target.name + ".tmp")
    try:
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield draft
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(target)
            sync_folder(target.parent)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
