"""A file that grows by whole records and can be believed after a crash."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import SinkError


class AppendFile:
    """The only writer of a file; a record that a full disk let in only halfway is cut off again."""

    def __init__(self, path: Path) -> None:
        """Open or create it, with its folder.

        Raises:
            SinkError: it can't be written, or another process does.
        """
        self.path = path
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b", buffering=0)
            self._lock()
            self._size = self._file.seek(0, os.SEEK_END)
            sync_folder(path.parent)

    def lines(self) -> Iterator[bytes]:
        """Yield what is in it, line by line."""
        with self.path.open("rb") as file:
            yield from file

    def read(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes from `start` on."""
        return os.pread(self._file.fileno(), size, start)

    @property
    def size(self) -> int:
        return self._size

    def cut(self, size: int) -> None:
        """Drop all after the first `size` bytes."""
        with writing(self.path):
            self._file.truncate(size)
            self._size = size

    def append(self, record: bytes) -> None:
        """Write all of it or nothing."""
        try:
            with writing(self.path):
                self._write(record)
        except SinkError:
            with suppress(OSError):
                self._file.truncate(self._size)
            raise
        self._size += len(record)

    def sync(self) -> None:
        """Return when what was appended survives a loss of power."""
        with writing(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def _write(self, record: bytes) -> None:
        rest = memoryview(record)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise SinkError(
                f"{self.path} is being written by another process: stop that, or choose another folder"
            ) from error
        except OSError:
            pass  # a file system without locks


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file in what goes wrong.

    Raises:
        SinkError: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise SinkError(f"{path} can't be written ({reason}): check the disk's free space and permissions") from error


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in its place, durable, whole or not at all.

    Raises:
        SinkError: it can't be written.
    """
    draft = path.with_name(path.name + ".part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Return when names made or changed in the folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
