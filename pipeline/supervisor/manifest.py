"""The manifest: all that one needs to know of a run, or to run it again."""

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pipeline.errors import SinkError
from pipeline.source_report import iso

_PACKAGES: Final = ("detstream", "av", "numpy", "opencv-python", "openvino", "torch", "trackers", "supervision")
MANIFEST: Final = "manifest.json"


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write `manifest.json`, whole or not at all.

    Raises:
        SinkError: it can't be written.
    """
    path, draft = folder / MANIFEST, folder / f".{MANIFEST}.part"
    try:
        with draft.open("w") as file:
            json.dump(manifest, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SinkError(f"{path}: can't be written: {error.strerror}") from error


def manifest(sources: Sequence[Mapping[str, Any]], started_s: float, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that one needs to know of a run, or to run it again."""
    return {
        "started": iso(started_s),
        "finished": iso(time.time()),
        **facts,
        "machine": {"platform": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {package: version(package) for package in _PACKAGES},
        "sources": list(sources),
    }
