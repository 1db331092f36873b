"""What processes use, from /proc."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes that a process has started, and those that these have."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from descendants(int(child))


def processor_s(pid: int) -> float:
    """Return the seconds of processor that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def memory_bytes(pid: int) -> int:
    """Return a process's memory, of what it shares with others its share."""
    rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
    return next(int(row[1]) for row in rows if row[0] == "Pss:") << 10


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def stage_of(pid: int) -> str:
    """Return which stage a process is, or its program's name; the command itself is `run`."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    stage = next((word.removeprefix("stages.") for word in words if word.startswith("stages.")), "")
    return stage or ("run" if "run" in words else Path(words[0].split(" ")[0]).name)
