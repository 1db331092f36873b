"""One stage's process: started, watched, started again, stopped."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.errors import StageError
from pipeline.owned_process import spawn_owned
from pipeline.process import HOPELESS, WRONG_SETTINGS
from pipeline.settings import bare_environment

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0
_MOST_RESTARTS: Final = 12
"""In a row, without a single frame published between them."""

_SPEAKER: Final = "annotator"
"""The stage that may write to standard output, if it has a sink there."""

LogLine = Mapping[str, Any]


class Child:
    """Keeps one process of a stage running; its name stays, so that it goes on where its predecessor died."""

    def __init__(self, stage: str, name: str, config: Path, on_log: Callable[[LogLine], None]) -> None:
        self.stage, self.name = stage, name
        self._args = [sys.executable, "-P", "-m", f"stages.{stage}", str(config)]
        self._environment = bare_environment() | {"DETSTREAM_NAME": name}
        self._on_log = on_log
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None
        self._restarts = 0
        self._progress = -1
        self._resume_s = 0.0
        self._complaint = ""

    @property
    def pid(self) -> int | None:
        """The running process, None while there is none."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the process; call it from a thread that lives as long as the process shall."""
        self._process = spawn_owned(
            self._args,
            stdin=subprocess.DEVNULL,
            stdout=None if self.stage == _SPEAKER else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self._environment,
        )
        self._pump = threading.Thread(target=self._forward, args=(self._process,), name=f"log {self.name}", daemon=True)
        self._pump.start()

    def watch(self, progress: int, *, for_ever: bool = False) -> bool:
        """Return whether the process has done its work; start it again, after a pause, if it died.

        `progress` is any count that grows as long as restarts are of use; `for_ever`: they always are.

        Raises:
            StageError: it died of something that a restart would only repeat, or too often.
        """
        code = self._process.poll() if self._process else None
        if code is None:
            return False
        if code == 0:
            return True
        if code in (WRONG_SETTINGS, HOPELESS):
            self._drain()
            raise StageError(self._complaint or f"{self.name} gave up", code)
        self._restart_when_due(code, progress, for_ever)
        return False

    def stop(self, patience_s: float) -> None:
        """Ask the process to end, and end it if it doesn't in `patience_s` seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._drain()

    def _restart_when_due(self, code: int, progress: int, for_ever: bool) -> None:
        if not self._resume_s:
            self._restarts = 0 if progress != self._progress else self._restarts + 1
            self._progress = progress
            if self._restarts > _MOST_RESTARTS and not for_ever:
                raise StageError(
                    f"{self.name} died {self._restarts} times without getting on: {self._complaint}", HOPELESS
                )
            pause_s = min(_FIRST_PAUSE_S * 2**self._restarts, _LONGEST_PAUSE_S)
            self._resume_s = time.monotonic() + pause_s
            self._log("warning", "died, starting again", code=code, pause_s=round(pause_s, 1))
        elif time.monotonic() >= self._resume_s:
            self._resume_s = 0.0
            self.start()

    def _forward(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr
        for raw in process.stderr:
            text = raw.decode(errors="replace").rstrip()
            try:
                line = json.loads(text)
            except ValueError:
                line = {"stage": self.stage, "level": "warning", "event": text}
            if not isinstance(line, dict):
                line = {"stage": self.stage, "level": "warning", "event": text}
            if line.get("level") in ("error", "critical"):
                self._complaint = str(line.get("error") or line.get("event"))
            self._on_log({"name": self.name, **line})
        process.stderr.close()

    def _drain(self) -> None:
        """Wait until the last words of the process have been read."""
        if self._pump:
            self._pump.join(timeout=2)

    def _log(self, level: str, event: str, **values: Any) -> None:
        self._on_log({"stage": self.stage, "name": self.name, "level": level, "event": event, **values})
