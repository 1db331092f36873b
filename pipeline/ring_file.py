"""The bytes of a ring: a header, a table of slots, and the slots' pixels, each slot from the start of a page.

Each slot is a seqlock: its generation is odd while the slot is written and another even number afterwards, so a reader
that finds the same even generation before and after its copy has copied one frame. That holds only if the processor
keeps the order of these steps: `_Fence` sees to it. Each word is an aligned 64-bit integer, which numpy loads and
stores as one.
"""

import mmap
import os
import threading
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FrameExpiredError, FramePendingError, FrameStoreError
from pipeline.frame import Matrix, Pictures, Planar

_LAYOUT: Final = int.from_bytes(b"dsring02", "big")
"""First word of every ring; the last two digits count the layouts."""
_HEADER_WORDS: Final = 8
_NEWEST: Final = 3
_NUMBERED: Final = 4
"""Whether a frame's slot is that of its number, rather than the one that was written longest ago."""
_SLOT_WORDS: Final = 8
"""Generation, seq, rows and columns of each picture, the matrix of the full one: a cache line each."""
_OWNER: Final = slice(64, 256)
_TABLE: Final = 256
_WORD: Final = 8


def required_bytes(slots: int, slot_bytes: int) -> int:
    """Return the size in bytes of a ring of `slots` frames whose pictures have `slot_bytes` together at most."""
    return _pages(_TABLE + slots * _SLOT_WORDS * _WORD) + slots * _pages(slot_bytes)


def _pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


class _Fence:
    """Keeps the loads and stores before a call before those behind it, for other processors too.

    x86 does so by itself for all that happens here. Elsewhere, nothing moves up over the first release or down over
    the second acquisition of a lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            pass
        with self._lock:
            pass


class RingFile:
    """A ring in memory, to write by one process or to read by many."""

    def __init__(self, memory: mmap.mmap, name: str) -> None:
        self._bytes: NDArray[np.uint8] = np.frombuffer(memory, np.uint8)
        self._header: NDArray[np.int64] = np.frombuffer(memory, np.int64, _HEADER_WORDS)
        layout, self._slots, self._slot_bytes = (int(word) for word in self._header[:_NEWEST])
        if layout != _LAYOUT or required_bytes(self._slots, self._slot_bytes) > len(self._bytes):
            raise FrameStoreError(f"the ring of {name} is of another version of detstream: restart its decoder")
        words: NDArray[np.int64] = np.frombuffer(memory, np.int64, self._slots * _SLOT_WORDS, _TABLE)
        self._table = words.reshape(self._slots, _SLOT_WORDS)
        self._pixels = len(self._bytes) - self._slots * _pages(self._slot_bytes)
        self._name = name
        self._fence = _Fence()
        self._writes = 0
        self._numbered = bool(self._header[_NUMBERED])
        self._newer = threading.Lock()

    @classmethod
    def format(
        cls, file: int, name: str, slots: int, slot_bytes: int, owner: str, *, numbered: bool = False
    ) -> "RingFile":
        """Reserve and map an empty ring in a new file.

        `numbered`: each frame has the slot of its number, so that they may come in any order.

        Raises:
            OSError: there is no room.
        """
        # A sparse file on a full tmpfs would be a bus error at the first touch; this is an error here.
        os.posix_fallocate(file, 0, required_bytes(slots, slot_bytes))
        memory = mmap.mmap(file, 0, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        words: NDArray[np.int64] = np.frombuffer(memory, np.int64, (_TABLE // _WORD) + slots * _SLOT_WORDS)
        words[: _NUMBERED + 1] = _LAYOUT, slots, slot_bytes, -1, numbered
        words[_TABLE // _WORD :].reshape(slots, _SLOT_WORDS)[:, 1] = -1
        text = owner.encode()[: _OWNER.stop - _OWNER.start]
        memory[_OWNER.start : _OWNER.start + len(text)] = text
        return cls(memory, name)

    @classmethod
    def open(cls, path: Path, name: str) -> tuple["RingFile", int]:
        """Map a ring to read it, and return the number of its inode beside it.

        Raises:
            FileNotFoundError: there is none.
            FrameStoreError: it is damaged or of another layout.
        """
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < _TABLE:
                raise FrameStoreError(f"the ring of {name} is damaged: restart its decoder")
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return cls(memory, name), os.fstat(file.fileno()).st_ino

    def write(self, seq: int, pictures: Pictures) -> None:
        """Store a frame's pictures over those of the frame `slots` numbers earlier, or `slots` writes.

        Raises:
            FrameStoreError: they are too large together.
        """
        images = (pictures.detect, None if pictures.full is None else pictures.full.data)
        sizes = [(0, 0) if image is None else image.shape[:2] for image in images]
        matrix = 0 if pictures.full is None else pictures.full.matrix
        self._check_size(seq, pictures.nbytes)
        place = (seq if self._numbered else self._writes) % self._slots
        self._writes += 1
        slot = self._table[place]
        busy = int(slot[0]) | 1
        slot[0] = busy
        self._fence()
        slot[1:7] = (seq, *sizes[0], *sizes[1], matrix)
        for image, area in zip(images, self._areas(place, *sizes), strict=True):
            if image is not None:
                area[...] = image
        self._fence()
        slot[0] = busy + 1
        self._fence()  # a reader that sees the newest seq must see its slot, or it would take the frame for overwritten
        with self._newer:
            self._header[_NEWEST] = max(seq, int(self._header[_NEWEST])) if self._numbered else seq

    def detect(self, seq: int) -> NDArray[np.uint8]:
        """Return a copy of a frame's picture for the detector.

        Raises:
            FrameExpiredError: overwritten, or stored without it.
            FramePendingError: not written yet.
        """
        return self._read(seq, 0)[0]

    def full(self, seq: int) -> Planar:
        """Return a copy of a frame's picture to draw on.

        Raises:
            FrameExpiredError: overwritten, or stored without it.
            FramePendingError: not written yet.
        """
        data, matrix = self._read(seq, 1)
        return Planar(data, Matrix(matrix))

    def _read(self, seq: int, which: int) -> tuple[NDArray[np.uint8], int]:
        """Return a copy of one of a frame's pictures, and the matrix of the full one."""
        newest = int(self._header[_NEWEST])
        self._fence()
        places = np.flatnonzero(self._table[:, 1] == seq)  # of a camera, only some frames are stored
        if not len(places):
            raise self._absence(seq, newest)
        slot = self._table[places[0]]
        generation = int(slot[0])
        self._fence()
        found, *numbers, matrix = slot[1:7].tolist()
        self._fence()
        if found != seq or generation % 2 or slot[0] != generation:
            raise self._absence(seq, newest)
        area = self._areas(int(places[0]), (numbers[0], numbers[1]), (numbers[2], numbers[3]))[which]
        if not area.size:
            raise FrameExpiredError(f"frame {seq} of {self._name} was stored without this picture")
        image = area.copy()
        self._fence()
        if slot[0] != generation:
            raise self._absence(seq, seq)
        return image, matrix

    def _areas(self, place: int, detect: tuple[int, int], full: tuple[int, int]) -> tuple[NDArray[np.uint8], ...]:
        """Return where the pictures in a slot lie, one behind the other, as arrays of their shape."""
        start = self._pixels + place * _pages(self._slot_bytes)
        middle = start + detect[0] * detect[1] * 3
        stop = middle + full[0] * full[1]
        return self._bytes[start:middle].reshape(*detect, 3), self._bytes[middle:stop].reshape(full)

    def _check_size(self, seq: int, size: int) -> None:
        if size > self._slot_bytes:
            raise FrameStoreError(
                f"frame {seq} of {self._name} has {size} bytes of pixels, more than the {self._slot_bytes} of a slot: "
                "scale its pictures to the size of the source's first frame"
            )

    def _absence(self, seq: int, newest: int) -> FrameStoreError:
        if self._numbered:  # what its slot holds tells whether it is still to come
            generation, number = (int(word) for word in self._table[seq % self._slots, :2])
            newest = number - generation % 2
        if seq > newest:
            return FramePendingError(f"frame {seq} of {self._name} is not in the ring yet; the newest is {newest}")
        return FrameExpiredError(f"frame {seq} of {self._name} was overwritten; a larger memory_mb keeps more frames")


def read_owner(file: int) -> str:
    """Return who made the ring in an open file."""
    text = os.pread(file, _OWNER.stop - _OWNER.start, _OWNER.start)
    return text.rstrip(b"\0").decode(errors="replace")
