"""What a run's folder holds beside the outputs, so that an output can be continued, and proved: one record a source.

.detstream/
run.json            what was asked for (written by the command)
gate.tracks         the tracker's state after a frame that is durable
gate.events.place   how far the files of events go
gate.json           what became of the source, once it is finished
gate.jsonl          the lines, where none are asked for as an output; removed at the end
"""

import json
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from stages.annotator.append_file import replace_file

FOLDER: Final = ".detstream"
_HEAD: Final = struct.Struct("<4sQ")
_MAGIC: Final = b"dst2"  # 1 was without what is watched


class Journal:
    """The files of one source in a run's folder."""

    def __init__(self, output: Path, source: str) -> None:
        self._folder = output / FOLDER
        self._tracks = self._folder / f"{source}.tracks"
        self._record = self._folder / f"{source}.json"

    def keep_tracks(self, following: int, state: bytes) -> None:
        """Keep the tracker's state before the frame `following`, whole or not at all.

        Raises:
            SinkError: it can't be written.
        """
        replace_file(self._tracks, _HEAD.pack(_MAGIC, following) + state)

    def tracks(self) -> tuple[int, bytes]:
        """Return the kept state, behind the frame before which it holds; (0, b"") if there is none."""
        with suppress(OSError, struct.error):
            data = self._tracks.read_bytes()
            magic, following = _HEAD.unpack_from(data)
            if magic == _MAGIC:
                return following, data[_HEAD.size :]
        return 0, b""

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write what became of the source; nothing is needed any more to continue it.

        Raises:
            SinkError: it can't be written.
        """
        replace_file(self._record, (json.dumps(record) + "\n").encode())
        self._tracks.unlink(missing_ok=True)

    def record(self) -> dict[str, Any] | None:
        """Return what became of the source, None if it is not finished."""
        with suppress(OSError, ValueError):
            found = json.loads(self._record.read_text())
            return found if isinstance(found, dict) else None
        return None
