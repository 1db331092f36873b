"""One figure, `memory_mb`, bounds the pixels and messages in flight; this module shares it out."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import ConfigError

MIB: Final = 1 << 20
LEAST_MB: Final = 64
"""Below it neither a broker nor a few pictures fit."""
_DEFAULT_SHARE: Final = 4
_BROKER_SHARE: Final = 4
_BROKER_MOST_MB: Final = 512
LARGEST_WINDOW: Final = 64
"""More frames in flight buy no speed: every stage has had its batches long before."""
SMALLEST_WINDOW: Final = 4
STREAMS_KEPT: Final = 16
"""Public streams of finished sources that stay for late readers; those of sources in work are not counted."""
LETTERS_KEPT: Final = 10_000
"""Dead letters, the newest: a detector that finds no pixels at all makes one of each frame of a camera."""
ENTRY_BYTES: Final = 4096
"""Of a public stream, in memory, with some twenty objects."""
SPARE_SLOTS: Final = 2
"""Beyond the window, so that the slot being written is never one that a consumer may still need."""


@dataclass(frozen=True, slots=True)
class Budget:
    """`memory_mb` shared out, in MiB."""

    total_mb: int

    @property
    def broker_mb(self) -> int:
        """For all streams and hashes."""
        return min(self.total_mb // _BROKER_SHARE, _BROKER_MOST_MB)

    @property
    def rings_mb(self) -> int:
        """For the pixels of all sources that are open at once."""
        return self.total_mb - self.broker_mb

    def retained(self, wanted: int) -> int:
        """Return how many published frames a source may keep, of those wanted: all in half the broker's share."""
        return min(wanted, self.broker_mb * MIB // 2 // ENTRY_BYTES // (STREAMS_KEPT + 2))

    def window(self, slot_bytes: int, rings: int, most: int = LARGEST_WINDOW) -> int:
        """Return how many frames, `most` at most, a source may be ahead of its slowest consumer.

        Raises:
            ConfigError: not even the smallest window fits.
        """
        slots = self.rings_mb * MIB // max(rings, 1) // slot_bytes
        if slots < SMALLEST_WINDOW + SPARE_SLOTS:
            needed = -(-(SMALLEST_WINDOW + SPARE_SLOTS) * slot_bytes * rings // MIB)
            total = needed + min(-(-needed // (_BROKER_SHARE - 1)), _BROKER_MOST_MB) + 1
            raise ConfigError(
                f"memory_mb {self.total_mb} is too small for frames of this size: set it to {total} or more"
            )
        return min(slots - SPARE_SLOTS, most)


def plan(memory_mb: int | None, ring_folder: Path) -> Budget:
    """Return the budget of a run, checked against this machine.

    Raises:
        ConfigError: the figure is below the least, or above what the machine or the rings' file system has free.
    """
    free_mb, room_mb = available_mb(), free_space_mb(ring_folder)
    _refuse_too_small_a_machine(free_mb, room_mb, ring_folder)
    default_mb = min(free_mb // _DEFAULT_SHARE, room_mb * 9 // 10)
    budget = Budget(memory_mb if memory_mb is not None else max(default_mb, LEAST_MB))
    if budget.total_mb < LEAST_MB:
        raise ConfigError(f"memory_mb {budget.total_mb} is too small: set it to {LEAST_MB} or more")
    fitting_mb = min(max(room_mb, LEAST_MB), free_mb)
    if budget.total_mb > free_mb:
        raise ConfigError(
            f"memory_mb {budget.total_mb} is more than this machine has free: set it to {fitting_mb} or less"
        )
    if budget.rings_mb > room_mb:
        raise ConfigError(
            f"{ring_folder} has {room_mb} MB free: set memory_mb to {fitting_mb}, or enlarge it (--shm-size)"
        )
    return budget


def _refuse_too_small_a_machine(free_mb: int, room_mb: int, ring_folder: Path) -> None:
    if free_mb < LEAST_MB:
        raise ConfigError(f"this machine has {free_mb} MB of memory free: {LEAST_MB} MB is the least")
    if room_mb < (least_mb := Budget(LEAST_MB).rings_mb):
        raise ConfigError(
            f"{ring_folder} has {room_mb} MB free: enlarge it (--shm-size), or set ring_folder to a folder with "
            f"{least_mb} MB or more"
        )


def available_mb() -> int:
    """Return how many MiB of memory this process may still use: the machine's, or its container's if that is less."""
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    machine_kb = next(int(row[1]) for row in rows if row[0] == "MemAvailable:")
    limits = [machine_kb // 1024]
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and (most := limit.read_text().strip()) != "max":
        limits.append((int(most) - int(used.read_text())) // MIB)
    return max(min(limits), 0)


def free_space_mb(folder: Path) -> int:
    """Return the MiB that are free on the file system of a folder."""
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize // MIB
