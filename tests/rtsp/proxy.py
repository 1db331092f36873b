"""A bad way to a camera: a TCP proxy that passes, stalls, dribbles, damages or cuts what the camera sends."""

import socket
import threading
import time
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

Mode: TypeAlias = Literal["pass", "stall", "dribble", "flip", "reset"]

_SIZE: Final = 1 << 14
_POLL_S: Final = 0.02
_A_BYTE_S: Final = 0.005
_SPARED: Final = 4096
"""First bytes of a connection that `flip` leaves as they are: the handshake."""


class FaultyProxy:
    """Listens on a port of 127.0.0.1 in front of another; `mode` may be changed at any time."""

    def __init__(self, port: int, mode: Mode = "pass", one_in: int = 20_000) -> None:
        """`one_in`: how many bytes there are to one flipped bit."""
        self.mode = mode
        self._to, self._one_in = port, one_in
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: object, *args: socket.socket) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    camera = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    client.close()
                    continue
                for end in client, camera:
                    end.settimeout(_POLL_S)
                self._start(self._serve, client, camera)

    def _serve(self, client: socket.socket, camera: socket.socket) -> None:
        passed, random = 0, Random(1)
        with client, camera, suppress(OSError):
            asking = threading.Thread(target=self._ask, args=(client, camera), daemon=True)
            asking.start()
            while not self._ended.is_set():
                if self.mode == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    break
                data = b"" if self.mode == "stall" else self._received(camera)
                if data is None:
                    break
                if not data:
                    self._ended.wait(_POLL_S)
                    continue
                self._send(client, self._damaged(data, passed, random))
                passed += len(data)
        asking.join()

    def _ask(self, client: socket.socket, camera: socket.socket) -> None:
        with suppress(OSError):
            while not self._ended.is_set():
                data = self._received(client)
                if data is None:
                    camera.shutdown(socket.SHUT_RDWR)
                    return
                camera.sendall(data)

    def _received(self, end: socket.socket) -> bytes | None:
        """Return what came, or None at the end."""
        try:
            return end.recv(_SIZE) or None
        except TimeoutError:
            return b""

    def _send(self, client: socket.socket, data: bytes) -> None:
        for place in range(0, len(data), _SIZE if self.mode != "dribble" else 1):
            client.sendall(data[place : place + (_SIZE if self.mode != "dribble" else 1)])
            if self.mode == "dribble":
                time.sleep(_A_BYTE_S)
            if self._ended.is_set() or self.mode == "reset":
                return

    def _damaged(self, data: bytes, passed: int, random: Random) -> bytes:
        if self.mode != "flip":
            return data
        bad = bytearray(data)
        for place in range(max(_SPARED - passed, 0), len(bad)):
            if random.randrange(self._one_in) == 0:
                bad[place] ^= 1 << random.randrange(8)
        return bytes(bad)
