"""Loaded by every Python that has this folder on its PYTHONPATH: an engine whose answers make tracks, and a disk that
remembers what it has promised.

``CRASH_DISK``: a folder for notes of what was made durable, as `tests.crash.disk` reads them.
``CRASH_AT``: ``STAGE:CALL:COUNT:VICTIM``, where the process of a stage (or ``run``) kills itself, or all of the run,
at the COUNT-th time that it changes something on disk by CALL; once, as ``CRASH_MARK`` is a file that is made then.
"""

import os
import sys


def _role() -> str:
    words = sys.orig_argv
    stage = next((word for word in words if word.startswith("stages.") and "-m" in words), "")
    return stage.removeprefix("stages.") or ("run" if any(word.endswith("/detstream") for word in words) else "")


def _begin(role: str) -> None:
    if role == "detector":
        from tests.crash.scene import install

        install()
    if role in ("annotator", "run") and "CRASH_DISK" in os.environ:
        from tests.crash.disk import watch

        watch(role)


if "CRASH_DISK" in os.environ and (role := _role()):
    sys.path.append(os.environ["CRASH_ROOT"])
    _begin(role)
