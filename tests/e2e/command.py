"""`detstream` as people start it: a process of its own, that is watched and ended by its number."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

DETSTREAM: Final = Path(sys.executable).parent / "detstream"
DEADLINE_S: Final = 60.0
_POLL_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str

    def complaint(self) -> str:
        """Return its last line to the user, and see that there is but one, and no traceback."""
        own = [line for line in self.err.splitlines() if line.startswith("detstream: ")]
        assert len(own) == 1, self.err
        assert "Traceback" not in self.err
        return own[0].removeprefix("detstream: ")


class Running:
    """A command while it runs, in a process group of its own as a shell would give it."""

    def __init__(self, *arguments: str | Path, env: Mapping[str, str | Path] | None = None) -> None:
        self._popen = subprocess.Popen(
            [str(DETSTREAM), *map(str, arguments)],
            env=environment(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self.pid = self._popen.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.communicate()

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def wait(self) -> Ended:
        """Return how it ended; it has to within the deadline."""
        out, err = self._popen.communicate(timeout=DEADLINE_S)
        return Ended(self._popen.returncode, out, err)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its group, as a terminal does."""
        os.killpg(self.pid, number)

    def stages(self) -> dict[str, int]:
        """Return the processes of the stages, by stage."""
        return {stage: pid for pid in children(self.pid) if (stage := _stage(pid))}

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Return as soon as the condition holds; the command has to be alive until then."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert self.alive, f"ended before {what}: {self._popen.communicate()[1][-2000:]}"
            assert time.monotonic() < deadline, f"waited too long for {what}"
            time.sleep(_POLL_S)


def detstream(*arguments: str | Path, env: Mapping[str, str | Path] | None = None) -> Ended:
    """Run a command to its end."""
    with Running(*arguments, env=env) as running:
        return running.wait()


def environment(over: Mapping[str, str | Path]) -> dict[str, str]:
    """Return this environment without settings of ours, and with some."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("DETSTREAM_")}
    return bare | {"NO_COLOR": "1", "COLUMNS": "200"} | {name: str(value) for name, value in over.items()}


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Return as soon as the condition holds; it has to within the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(_POLL_S)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, from any of its threads."""
    try:
        return [
            int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _read(task / "children").split()
        ]
    except OSError:
        return []


def exists(pid: int) -> bool:
    """Return whether a process is there, and no zombie."""
    state = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return bool(state) and state[0] != "Z"


def catches(pid: int, number: signal.Signals) -> bool:
    """Return whether a process has a handler for a signal; Python has one for SIGINT from its start on."""
    caught = _read(Path(f"/proc/{pid}/status")).partition("SigCgt:")[2].split()
    return bool(caught) and bool(int(caught[0], 16) & 1 << number - 1)


def _stage(pid: int) -> str:
    words = _read(Path(f"/proc/{pid}/cmdline")).split("\0")
    # A child is first `owned_process.py`, which then becomes the stage.
    started = not any(word.endswith("owned_process.py") for word in words)
    return next((word.removeprefix("stages.") for word in words if started and word.startswith("stages.")), "")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
