"""A way to a server on which an answer gets lost, once."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class LossyProxy:
    """Passes all on, but drops the connection instead of the answer to the first command that holds `command`."""

    def __init__(self, folder: Path, server: str, command: bytes) -> None:
        self._path = folder / "lossy.sock"
        self._server = server
        self._command = command
        self._listener = socket.socket(socket.AF_UNIX)
        self._threads: list[threading.Thread] = []
        self.lost = threading.Event()

    @property
    def url(self) -> str:
        return f"unix://{self._path}"

    def __enter__(self) -> Self:
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[..., None], *args: socket.socket) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._server.removeprefix("unix://"))
            while asked := client.recv(1 << 16):
                server.sendall(asked)
                answer = server.recv(1 << 16)
                if self._command in asked and not self.lost.is_set():
                    self.lost.set()
                    return
                client.sendall(answer)
