"""Converted models on disk: each is made once, and named by the hash of what it depends on."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pipeline.errors import EngineError

_SUMS: Final = "sha256"


def cached(cache: Path, kind: str, key: Sequence[str], parts: Sequence[str], make: Callable[[Path], None]) -> Path:
    """Return the folder in ``cache`` that holds the files ``parts``; ``make`` writes them to a folder if need be.

    Raises:
        EngineError: The cache can't be written.
    """
    entry = cache / kind / hashlib.sha256("\n".join(key).encode()).hexdigest()
    if not intact(entry, parts):
        try:
            _fill(entry, parts, make)
        except OSError as error:
            raise EngineError(f"the cache of converted models {cache} can't be written: {error}") from error
    return entry


def intact(entry: Path, parts: Sequence[str]) -> bool:
    """Return whether an entry holds the files ``parts``, as they were written."""
    try:
        return (entry / _SUMS).read_text() == _sums(entry, parts)
    except OSError:
        return False


def _sums(entry: Path, parts: Sequence[str]) -> str:
    return "".join(f"{hashlib.sha256((entry / part).read_bytes()).hexdigest()}  {part}\n" for part in parts)


def _fill(entry: Path, parts: Sequence[str], make: Callable[[Path], None]) -> None:
    """Make an entry beside its place, then move it there in one step: others see all of it or nothing."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=entry.parent))
    try:
        make(fresh)
        (fresh / _SUMS).write_text(_sums(fresh, parts))
        _move(fresh, entry, parts)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _move(fresh: Path, entry: Path, parts: Sequence[str]) -> None:
    """Put a fresh entry in its place, unless another process put an intact one there meanwhile."""
    if entry.exists() and not intact(entry, parts):
        # Renamed first: a folder that is being deleted would look like a damaged entry to others.
        entry.rename(tempfile.mkdtemp(prefix=".old-", dir=entry.parent))
    try:
        fresh.rename(entry)
    except OSError:
        if not intact(entry, parts):
            raise
    for old in entry.parent.glob(".old-*"):
        shutil.rmtree(old, ignore_errors=True)
