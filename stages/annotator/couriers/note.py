"""How far a recording's parcels have come, on disk: a restart sends no more again than what is not noted."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.annotator.append_file import replace_file
from stages.annotator.journal import FOLDER


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one sink has come with one recording."""

    seq: int = -1
    """All parcels of the frames up to this one are settled; where they may be dropped: posted."""
    sent: int = 0
    missed: int = 0
    refused: int = 0
    waiting: int = 0
    """Parcels that were posted and not settled; what may be dropped of them is lost with the process."""


class Note:
    """The file that holds the progress of one sink with one recording."""

    def __init__(self, output: Path, source: str, sink: str) -> None:
        self._path = output / FOLDER / f"{source}.{sink}.sent"

    def read(self) -> Progress:
        """Return what is noted; at the beginning, if that is nothing."""
        with suppress(OSError, ValueError, TypeError):
            return Progress(**json.loads(self._path.read_text()))
        return Progress()

    def write(self, progress: Progress) -> None:
        """Note it, whole or not at all.

        Raises:
            SinkError: it can't be written.
        """
        replace_file(self._path, json.dumps(asdict(progress)).encode())
