"""The process that reads damaged recordings, watched: a crash and a hang are answers too."""

import json
import selectors
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

ROOT: Final = Path(__file__).parents[2]
DEADLINE_S: Final = 20.0


@dataclass(frozen=True)
class Outcome:
    """What became of a recording."""

    frames: tuple[tuple[float, str | None, int | None], ...] = ()
    """Time, why there is no picture, and the number that the picture shows, if it can be read."""
    error: str | None = None
    """Why it could not be read to its end."""
    digest: int = 0
    """Of all pictures."""
    took_s: float = 0.0
    mb: float = 0.0
    """Of memory, at most, over what the process needs itself."""
    died: str | None = None
    """How the process ended, which it must not."""

    @property
    def failed(self) -> list[int]:
        """The places without a picture."""
        return [place for place, (_, error, _) in enumerate(self.frames) if error]


class Reader:
    """Reads one recording after the other, and starts again after a death."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._process = _started()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def read(self, path: Path) -> Outcome:
        """Return what becomes of a recording."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        assert process.poll() is None, "the reader ends before it has read anything"
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        line = process.stdout.readline() if _ready(process.stdout, self._deadline_s) else "hangs"
        if line.startswith("{"):
            answer = json.loads(line)
            return Outcome(**{**answer, "frames": tuple(map(tuple, answer["frames"]))})
        self._stop()
        self._process = _started()
        return Outcome(died=line or f"ended with {process.returncode}")

    def _stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def _started() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.corpus.reader"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
        text=True,
        bufsize=1,
    )


def _ready(stream: IO[str], deadline_s: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return bool(selector.select(deadline_s))
