"""What a run's folder holds beside the outputs, so that an output can be continued, and proved: one record a source.

.detstream/
_run.json           what was asked for (written by the command)
gate.tracks         the tracker's state after a frame that is durable, and the rate that it goes by
gate.events.place   how far the files of events go
gate.webhook.sent   how far a sink that sends has come
run-id              what tells this run from others into the same place, for sinks that send
gate.json           what became of the source, once it is finished
gate.jsonl          the lines, where none are asked for as an output; removed at the end
"""

import json
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stages.annotator.append_file import replace_file

FOLDER: Final = ".detstream"
_HEAD: Final = struct.Struct("<4sQd")
_MAGIC: Final = b"dst3"  # 1 and 2 were without the rate, or without what is watched


@dataclass(frozen=True, slots=True)
class KeptTracks:
    """What the tracker needs to go on before a frame as if it had never stopped."""

    following: int
    """The frame."""
    fps: float
    """Of the source: how long a lost object is waited for. 0: unknown."""
    tracks: bytes
    """The tracker's state."""


NO_TRACKS: Final = KeptTracks(0, 0.0, b"")


class Journal:
    """The files of one source in a run's folder."""

    def __init__(self, output: Path, source: str) -> None:
        self._folder = output / FOLDER
        self._tracks = self._folder / f"{source}.tracks"
        self._record = self._folder / f"{source}.json"

    def keep_tracks(self, kept: KeptTracks) -> None:
        """Keep the tracker's state, whole or not at all.

        Raises:
            SinkError: it can't be written.
        """
        replace_file(self._tracks, _HEAD.pack(_MAGIC, kept.following, kept.fps) + kept.tracks)

    def tracks(self) -> KeptTracks:
        """Return the kept state, `NO_TRACKS` if there is none."""
        with suppress(OSError, struct.error):
            data = self._tracks.read_bytes()
            magic, following, fps = _HEAD.unpack_from(data)
            if magic == _MAGIC:
                return KeptTracks(following, fps, data[_HEAD.size :])
        return NO_TRACKS

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
