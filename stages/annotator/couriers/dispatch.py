"""One courier a sink, for all sources."""

import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pipeline.broker import Broker
from pipeline.dead_letters import bury_parcel
from stages.annotator.append_file import writing
from stages.annotator.couriers.courier import Courier
from stages.annotator.couriers.note import Note
from stages.annotator.couriers.parcel import Parcel
from stages.annotator.couriers.peer import Sending
from stages.annotator.couriers.posting import CameraPosting, RecordingPosting
from stages.annotator.journal import FOLDER

_RUN: Final = "run-id"
_CLOSING_S: Final = 2.0


class Dispatch:
    """Knows all couriers, and opens their ends at the sources."""

    def __init__(self, broker: Broker, output: Path, sinks: Sequence[Sending]) -> None:
        """Start a courier for each of the sinks; they connect when there is something to send.

        Raises:
            ConfigError: a library is missing, or a setting is of no use.
            SinkError: the folder of the outputs can't be written.
        """
        self._broker, self._output, self._sinks = broker, output, sinks
        connects = [sink.connector(output) for sink in sinks]
        self._run = run_id(output) if sinks else ""
        self._couriers = [Courier(sink, connect, self._bury) for sink, connect in zip(sinks, connects, strict=True)]

    def for_recording(self, source: str) -> list[RecordingPosting]:
        """Return where a recording's frames go."""
        return [
            RecordingPosting(
                courier,
                Note(self._output, source, sink.label),
                source,
                sink.send,
                self._run,
                required=sink.delivery == "required",
            )
            for courier, sink in zip(self._couriers, self._sinks, strict=True)
        ]

    def for_camera(self, source: str) -> list[CameraPosting]:
        """Return where a camera's frames go."""
        pairs = zip(self._couriers, self._sinks, strict=True)
        return [CameraPosting(courier, source, sink.send, self._run) for courier, sink in pairs]

    def close(self) -> None:
        """Send what waits, for two seconds at most."""
        until_s = time.monotonic() + _CLOSING_S
        for courier in self._couriers:
            courier.close(max(until_s - time.monotonic(), 0.0))

    def _bury(self, sink: str, parcel: Parcel, reason: str) -> None:
        with self._broker.transaction() as transaction:
            bury_parcel(transaction, sink, parcel.source, parcel.id, parcel.json(), reason)


def run_id(output: Path) -> str:
    """Return what tells this run from others into the same place; it is the same after a crash.

    Raises:
        SinkError: it can't be written.
    """
    path = output / FOLDER / _RUN
    with writing(path):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f"{_RUN}.{os.getpid()}")
            draft.write_text(secrets.token_hex(6))
            with suppress(FileExistsError):
                os.link(draft, path)  # whoever is first has it, whole
            draft.unlink()
        return path.read_text().strip()
