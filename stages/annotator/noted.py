"""How far an output goes whose content does not say so, noted in the run's folder."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.annotator.append_file import replace_file
from stages.annotator.journal import FOLDER


@dataclass(frozen=True, slots=True)
class Place:
    """Up to where an output goes."""

    seq: int = -1
    frames: int = 0
    events: int = 0
    """Bytes of the file of events."""
    minutes: int = 0
    """Bytes of the file of minutes."""


class Noted:
    """One note."""

    def __init__(self, output: Path, name: str) -> None:
        self._path = output / FOLDER / f"{name}.place"

    def read(self, events: int, minutes: int) -> Place:
        """Return what was noted; the beginning if that is nothing, or more than files of these sizes hold."""
        with suppress(OSError, ValueError, TypeError):
            found = Place(**json.loads(self._path.read_text()))
            if found.events <= events and found.minutes <= minutes:
                return found
        return Place()

    def write(self, place: Place) -> None:
        """Note a place, whole or not at all.

        Raises:
            SinkError: it can't be written.
        """
        replace_file(self._path, json.dumps(asdict(place)).encode())
