"""What `detstream run` does beside the rest where there are cameras: tells the decoders of them, and of their end."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.broker import Broker
from pipeline.registry import Registry
from pipeline.seal import Seal
from stages.decoder.settings import DecoderSettings
from stages.decoder.wishes import wishes

RUN_FOLDER: Final = "detstream-run-"
_NOTE: Final = "run.json"


@dataclass(frozen=True, slots=True)
class RunNote:
    """How to reach a run on this machine, for commands beside it; in a file that only its owner reads."""

    pid: int
    url: str
    secret_key: str


def write_note(folder: Path, url: str, secret_key: str) -> None:
    """Leave a note in a run's folder."""
    path = folder / _NOTE
    path.touch(mode=0o600)
    path.write_text(json.dumps({"pid": os.getpid(), "url": url, "secret_key": secret_key}))


def notes() -> list[RunNote]:
    """Return the notes of this user's runs on this machine."""
    found = []
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{RUN_FOLDER}*/{_NOTE}")):
        try:
            own = path.stat().st_uid == os.getuid()  # who reads another user's, tells that user of the cameras
            note = RunNote(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue  # another user's, or one that is just being written
        if own and Path(f"/proc/{note.pid}").exists():
            found.append(note)
    return found


def tell_decoders(broker: Broker, settings: DecoderSettings, seal: Seal) -> None:
    """Wish for the cameras of a run's settings."""
    registry = Registry(broker)
    for wish in wishes(settings.cameras, seal).values():
        registry.put(wish)
