"""A disk that can lose power: notes of what was promised to be on it, and the loss of what was not.

The notes are written by the processes of a run themselves (`watch`). A file holds for certain what it held at its last
fsync. Names that were made, changed or removed last may be as they were before, up to the folder's last fsync, as on a
file system with a journal.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

_NOTES: Final = "notes"
_KEPT: Final = "kept"
Note = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Point:
    """A moment of a process: the `count`-th time that it does `call`, just `after` it or before."""

    role: str
    call: str
    count: int
    after: bool
    everybody: bool
    """Whether all of the run dies with it."""

    def __str__(self) -> str:
        return f"{self.role}:{self.call}:{self.count}:{int(self.after)}:{int(self.everybody)}"

    @classmethod
    def parse(cls, text: str) -> "Point":
        """Return what `str` has made a text of."""
        role, call, *numbers = text.split(":")
        count, after, everybody = map(int, numbers)
        return cls(role, call, count, bool(after), bool(everybody))


class Watch:
    """Notes what this process does to the files in a folder, and lets it die at a point."""

    def __init__(self, role: str, notes: Path, point: Point | None, mark: Path) -> None:
        self._folder, self._root = notes, notes.parent
        self._notes = os.open(notes / _NOTES, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._point, self._mark = point if point and point.role == role and not mark.exists() else None, mark
        self._counts: dict[str, int] = {}
        self._number = 0

    def install(self) -> None:
        """Put this between the process and its disk."""
        fsync, replace, unlink, rmdir = os.fsync, os.replace, os.unlink, os.rmdir

        def synced(file: int) -> None:
            self._around("fsync", lambda: fsync(file))
            self._note_sync(file)

        def replaced(source: Any, target: Any, **named: Any) -> None:
            kept = self._keep(_path(target))
            self._around("replace", lambda: replace(source, target, **named))
            self._note({"op": "replace", "path": str(_path(target)), "source": str(_path(source)), "kept": kept})

        def unlinked(path: Any, *, dir_fd: int | None = None) -> None:
            kept = self._keep(_path(path, dir_fd))
            self._around("unlink", lambda: unlink(path, dir_fd=dir_fd))
            self._note({"op": "unlink", "path": str(_path(path, dir_fd)), "kept": kept})

        def folder_removed(path: Any, *, dir_fd: int | None = None) -> None:
            self._around("rmdir", lambda: rmdir(path, dir_fd=dir_fd))

        instead = {
            "fsync": synced,
            "replace": replaced,
            "unlink": unlinked,
            "remove": unlinked,
            "rmdir": folder_removed,
        }
        for name, function in instead.items():
            setattr(os, name, function)
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and arguments[2] & os.O_CREAT:
            path = Path(arguments[0]).absolute()
            if self._is_ours(path) and not path.exists():
                self._note({"op": "create", "path": str(path)})

    def _around(self, call: str, act: Callable[[], None]) -> None:
        self._counts[call] = self._counts.get(call, 0) + 1
        due = self._point is not None and (self._point.call, self._point.count) == (call, self._counts[call])
        if due and self._point and not self._point.after:
            self._die(self._point)
        act()
        if due and self._point:
            self._die(self._point)

    def _die(self, point: Point) -> None:
        self._mark.touch()
        run = os.getpid() if point.role == "run" else os.getppid()
        os.kill(run if point.everybody else os.getpid(), signal.SIGKILL)
        signal.pause()  # its children die with a run, a moment later

    def _keep(self, path: Path) -> str | None:
        """Keep what is at a path, for the day that it was never removed; return where."""
        if not self._is_ours(path) or not path.is_file():
            return None
        self._number += 1
        kept = self._folder / _KEPT / f"{os.getpid()}-{self._number}"
        kept.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            os.link(path, kept)
            return str(kept)
        return None

    def _is_ours(self, path: Path) -> bool:
        return path.is_relative_to(self._root) and not path.is_relative_to(self._folder)

    def _note_sync(self, file: int) -> None:
        path, found = Path(f"/proc/self/fd/{file}").readlink(), os.fstat(file)
        if not self._is_ours(path):
            return
        folder = {"op": "folder", "path": str(path)}
        self._note(folder if path.is_dir() else {"op": "fsync", "inode": found.st_ino, "size": found.st_size})

    def _note(self, note: Note) -> None:
        if "inode" in note or self._is_ours(Path(note["path"])):
            os.write(self._notes, json.dumps(note).encode() + b"\n")


def _path(path: Any, folder: int | None = None) -> Path:
    """Return where a path leads, one that is relative to an open folder too."""
    return (Path() if folder is None else Path(f"/proc/self/fd/{folder}").readlink()).absolute() / os.fsdecode(path)


def watch(role: str) -> None:
    """Watch this process, as its environment says."""
    text = os.environ.get("CRASH_AT", "")
    point = Point.parse(text) if text else None
    Watch(role, Path(os.environ["CRASH_DISK"]), point, Path(os.environ["CRASH_MARK"])).install()


def lose_power(notes: Path, output: Path, random: np.random.Generator) -> list[str]:
    """Take away from the files of a folder some of what was not promised; return what was taken."""
    found = list(_read(notes / _NOTES))
    lost = _forget_names(found, random)
    synced = {note["inode"]: note["size"] for note in found if note["op"] == "fsync"}
    for path in sorted(path for path in output.rglob("*") if path.is_file()):
        lost += _forget_bytes(path, synced.get(path.stat().st_ino, 0), random)
    with (notes / _NOTES).open("w") as file:  # all that is there now is there for certain
        for path in output.rglob("*"):
            if path.is_file():
                found_now = path.stat()
                file.write(json.dumps({"op": "fsync", "inode": found_now.st_ino, "size": found_now.st_size}) + "\n")
    return lost


def _forget_names(notes: list[Note], random: np.random.Generator) -> list[str]:
    """Undo the last changes of names, from any one on that no fsync of its folder has followed."""
    open_changes: list[Note] = []
    for note in notes:
        if note["op"] == "folder":
            open_changes = [change for change in open_changes if str(Path(change["path"]).parent) != note["path"]]
        elif note["op"] != "fsync":
            open_changes.append(note)
    count = int(random.integers(0, len(open_changes) + 1))
    undone = open_changes[len(open_changes) - count :]
    for change in reversed(undone):
        _undo(change)
    return [f"{change['op']} of {Path(change['path']).name}" for change in undone]


def _undo(change: Note) -> None:
    path, kept = Path(change["path"]), change.get("kept")
    if change["op"] == "replace" and path.exists():
        path.rename(change["source"])
    if change["op"] == "create":
        path.unlink(missing_ok=True)
    elif kept and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(kept, path)


def _forget_bytes(path: Path, certain: int, random: np.random.Generator) -> list[str]:
    """Cut a file anywhere behind what is certain, or let the rest be zeros, or leave it."""
    size = path.stat().st_size
    if certain >= size:
        return []
    how, at = random.integers(0, 3), int(random.integers(certain, size))
    if how == 0:
        return []
    with path.open("r+b") as file:
        file.truncate(at)
        if how == 1:
            file.truncate(int(random.integers(at, size + 1)))
    return [f"{size - at} of {size} bytes of {path.name}" + (", now zeros" if how == 1 else "")]


def _read(path: Path) -> Iterator[Note]:
    if path.exists():
        for line in path.read_text().splitlines():
            with suppress(ValueError):
                yield json.loads(line)
