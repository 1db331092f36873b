"""A file that appears whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stages.annotator.append_file import sync_folder, writing


class Draft:
    """A file under a temporary name, until it is whole."""

    def __init__(self, target: Path) -> None:
        """Make the target's folder.

        Raises:
            SinkError: it can't be made.
        """
        self.target, self.path = target, target.with_name(target.name + ".tmp")
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)

    def keep(self) -> None:
        """Give it its name, on disk.

        Raises:
            SinkError: it can't be written.
        """
        with writing(self.target):
            with self.path.open("rb") as file:
                os.fsync(file.fileno())
            self.path.replace(self.target)
            sync_folder(self.target.parent)

    def drop(self) -> None:
        """Leave nothing of it; after `keep`, harmless."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield where to write; what is there at the end is on disk under the target's name, after an error nothing is.

    Raises:
        SinkError: it can't be written.
    """
    draft = Draft(target)
    try:
        with writing(target):
            yield draft.path
        draft.keep()
    finally:
        draft.drop()
