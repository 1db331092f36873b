"""The frame store of one machine: a ring per source and epoch, in a plain file on tmpfs that its readers map.

Not `multiprocessing.shared_memory`: on Python 3.11 the resource tracker of any process that attaches removes the
segment when that process exits. A ring is never truncated, as somebody may have it mapped: it is removed and made anew.
"""

import errno
import fcntl
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FrameExpiredError, FramePendingError, FrameStoreError
from pipeline.frame import Pictures, Planar
from pipeline.frame_store import FrameWriter
from pipeline.messages import FrameMeta
from pipeline.ring_file import RingFile, required_bytes
from pipeline.ring_folder import RING, UNFINISHED, locked, remove_ownerless

_MB: Final = 1 << 20


class RingWriter:
    """One epoch of one source, in a ring that this process owns."""

    def __init__(self, path: Path, file: int, ring: RingFile) -> None:
        self._path = path
        self._file = file
        self._ring: RingFile | None = ring

    def put(self, meta: FrameMeta, pictures: Pictures) -> None:
        """Store the pictures of a frame over those of the frame `slots` earlier.

        Raises:
            FrameStoreError: the pictures are too large for a slot, or the ring was closed.
        """
        if self._ring is None:
            raise FrameStoreError(f"the ring {self._path.name} is closed; create the next epoch to store more frames")
        self._ring.write(meta.seq, pictures)

    def close(self) -> None:
        """Remove the ring; the memory is free as soon as no reader has it mapped."""
        if self._ring is None:
            return
        self._ring = None
        with suppress(FileNotFoundError), locked(self._path.parent):
            if self._path.stat().st_ino == os.fstat(self._file).st_ino:
                self._path.unlink()
        os.close(self._file)


class RingStore:
    """Rings in a folder; a process that only reads finds them there by name.

    Sources of the same name in two runs on one machine are kept apart by their `run`, any text that both ends know.
    """

    def __init__(self, folder: Path, owner: str, run: str = "") -> None:
        self._folder = folder
        self._owner = owner
        self._prefix = f"{quote(run, safe='')}@" if run else ""
        self._writers: dict[tuple[str, int], RingWriter] = {}
        self._rings: dict[Path, tuple[RingFile, int]] = {}
        self._seen: dict[str, int] = {}

    takes_any_order = True

    def create(self, source: str, epoch: int, slots: int, slot_bytes: int, *, any_order: bool = False) -> FrameWriter:
        """Reserve a ring for the newest `slots` frames of an epoch, and remove the older epochs of the source.

        Raises:
            FrameStoreError: there is no room.
        """
        for older in [key for key in self._writers if key[0] == source and key[1] <= epoch]:
            self._writers.pop(older).close()
        try:
            writer = self._make(source, epoch, slots, slot_bytes, any_order)
        except OSError as error:
            raise FrameStoreError(self._no_room(source, slots, slot_bytes, error)) from error
        self._writers[source, epoch] = writer
        return writer

    def detect(self, source: str, epoch: int, seq: int) -> NDArray[np.uint8]:
        """Return a copy of what the detector is to look at, BGR uint8 (H, W, 3).

        Raises:
            FrameExpiredError: overwritten (also while it was read), stored without it, or the epoch is gone.
            FramePendingError: the epoch has not come to this frame yet.
        """
        return self._ring(source, epoch).detect(seq)

    def full(self, source: str, epoch: int, seq: int) -> Planar:
        """Return a copy of the picture to draw on.

        Raises:
            FrameExpiredError: overwritten (also while it was read), stored without it, or the epoch is gone.
            FramePendingError: the epoch has not come to this frame yet.
        """
        return self._ring(source, epoch).full(seq)

    def sweep(self) -> list[str]:
        """Remove the rings whose owner died, and return whose they were, one text a ring.

        Those of this run stay until the next epoch of their source: a frame that is still announced under the old one
        must not lose its pixels before everybody knows that the epoch is over.
        """
        return remove_ownerless(self._folder, self._prefix)

    def close(self) -> None:
        """Remove the rings that this process owns, and unmap the others."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        self._rings.clear()

    def _make(self, source: str, epoch: int, slots: int, slot_bytes: int, any_order: bool) -> RingWriter:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self._folder):  # a sweep must not meet the new file before its owner has locked it
            for older in self._epochs(source):
                if older <= epoch:
                    self._path(source, older).unlink(missing_ok=True)
            if required_bytes(slots, slot_bytes) > self._free():  # trying would fill a disk before it fails
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            file, name = tempfile.mkstemp(UNFINISHED, dir=self._folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        unfinished, path = Path(name), self._path(source, epoch)
        try:
            ring = RingFile.format(file, _title(source, epoch), slots, slot_bytes, self._owner, numbered=any_order)
            unfinished.rename(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            os.close(file)
            raise
        return RingWriter(path, file, ring)

    def _ring(self, source: str, epoch: int) -> RingFile:
        self._forget_removed()
        path = self._path(source, epoch)
        opened = self._rings.get(path) or self._open(path, source, epoch)
        return opened[0]

    def _open(self, path: Path, source: str, epoch: int) -> tuple[RingFile, int]:
        try:
            opened = RingFile.open(path, _title(source, epoch))
        except FileNotFoundError as error:
            if epoch <= max([*self._epochs(source), self._seen.get(source, -1)]):
                raise FrameExpiredError(f"the ring of {_title(source, epoch)} was removed") from error
            raise FramePendingError(f"there is no ring of {_title(source, epoch)} in {self._folder} yet") from error
        except OSError as error:
            raise FrameStoreError(f"can't read {path}: {error.strerror}; check who may read it") from error
        self._rings[path] = opened
        self._seen[source] = max(epoch, self._seen.get(source, -1))
        return opened

    def _forget_removed(self) -> None:
        """Unmap the rings of every source that are no longer in the folder: only that frees their memory."""
        for path, (_, inode) in list(self._rings.items()):
            try:
                removed = path.stat().st_ino != inode
            except FileNotFoundError:
                removed = True
            if removed:
                self._rings.pop(path, None)

    def _path(self, source: str, epoch: int) -> Path:
        return self._folder / f"{self._stem(source)}.{epoch}{RING}"

    def _stem(self, source: str) -> str:
        return self._prefix + quote(source, safe="")

    def _epochs(self, source: str) -> list[int]:
        """Return the epochs of exactly this source; a source "a.1" has files that begin like those of "a"."""
        pattern = re.compile(re.escape(self._stem(source)) + r"\.(\d+)" + re.escape(RING))
        return [int(found[1]) for path in self._folder.glob(f"*{RING}") if (found := pattern.fullmatch(path.name))]

    def _no_room(self, source: str, slots: int, slot_bytes: int, error: OSError) -> str:
        needed = -(-required_bytes(slots, slot_bytes) // _MB)
        if not self._folder.is_dir():
            return f"can't make the folder {self._folder} for frames: {error.strerror}"
        return (
            f"the frames of {source} need {needed} MB in {self._folder}, {self._free() // _MB} MB are free there "
            f"({error.strerror}): set memory_mb lower, or give it more room"
        )

    def _free(self) -> int:
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize


def _title(source: str, epoch: int) -> str:
    return f"{source} (epoch {epoch})"
