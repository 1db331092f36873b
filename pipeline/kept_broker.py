"""An embedded broker that is started again when it dies: with an empty memory, and at the same address."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import DetstreamError

_LOOK_S: Final = 0.05
_PAUSE_S: Final = 0.5


class KeptBroker:
    """Owns a server from entering to leaving, in a thread of its own: the server dies with the thread that starts it.

    Raises:
        DetstreamError: as `EmbeddedBroker`, at the first start.
    """

    def __init__(self, folder: Path, max_memory_bytes: int, on_death: Callable[[], None]) -> None:
        """`on_death` is told each time that the server has died and is about to be started again."""
        self._server = EmbeddedBroker(folder, max_memory_bytes=max_memory_bytes)
        self._on_death = on_death
        self._begun, self._over = threading.Event(), threading.Event()
        self._failure: DetstreamError | None = None
        self._thread = threading.Thread(target=self._keep, name="broker", daemon=True)

    @property
    def url(self) -> str:
        """The URL to connect to."""
        return self._server.url

    @property
    def pid(self) -> int | None:
        """The server's process, None while there is none."""
        return self._server.pid

    def __enter__(self) -> Self:
        self._thread.start()
        self._begun.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._over.is_set():
            try:
                with self._server:
                    self._begun.set()
                    self._wait()
            except DetstreamError as error:
                if not self._begun.is_set():
                    self._failure = error
                    self._begun.set()
                    return
                time.sleep(_PAUSE_S)

    def _wait(self) -> None:
        """Return when the server has died, or is not wanted any more."""
        while not self._over.wait(_LOOK_S):
            if not self._server.runs:
                self._on_death()
                return
