"""The folder in which rings lie, and who of their owners is alive.

An owner holds a lock (`flock`) on its ring. The kernel releases it however the owner dies, and it means the same to
containers that share a tmpfs, where the number of a process does not.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from pipeline.ring_file import read_owner

RING: Final = ".ring"
UNFINISHED: Final = ".ring-unfinished"
"""Ending of a ring that its owner is still making."""


def default_folder(fallback: Path, shared_memory: Path = Path("/dev/shm")) -> Path:
    """Return this user's folder in shared memory, or `fallback` where there is none to write to."""
    folder = shared_memory / f"detstream-{os.getuid()}"
    if not _is_tmpfs(shared_memory) or not os.access(shared_memory, os.W_OK | os.X_OK):
        return fallback
    # Anybody may take a name in there, as a trap or not.
    taken = folder.is_symlink() or (folder.exists() and folder.stat().st_uid != os.getuid())
    return fallback if taken else folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: rings come and go one at a time."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def remove_ownerless(folder: Path, spared: str = "") -> list[str]:
    """Remove the rings whose owner has died, and return whose they were, one text a ring.

    Those with names that begin with `spared`, if it is given, stay.
    """
    if not folder.is_dir():
        return []
    with locked(folder):
        paths = sorted([*folder.glob(f"*{RING}"), *folder.glob(f"*{UNFINISHED}")])
        others = [path for path in paths if not (spared and path.name.startswith(spared))]
        owners = [(path, _remove_if_ownerless(path)) for path in others]
    return [f"{unquote(path.name)} of {owner}" for path, owner in owners if owner is not None]


def _remove_if_ownerless(path: Path) -> str | None:
    """Remove a ring that nobody has locked, and return its owner's name; None if it stays."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            return read_owner(file.fileno()) or "an unknown process"
    except (BlockingIOError, FileNotFoundError, PermissionError):
        return None


def _is_tmpfs(folder: Path) -> bool:
    mounts = Path("/proc/mounts")
    lines = mounts.read_text().splitlines() if mounts.is_file() else []
    return any(line.split()[1:3] == [str(folder), "tmpfs"] for line in lines)
