"""A web server that takes POSTs, and fails as it is told to."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """What came."""

    headers: dict[str, str]
    """Names in small letters."""
    body: bytes
    path: str
    at_s: float


@dataclass
class Receiver:
    """What it got and how it answers; changes take effect with the next request."""

    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Each request is answered with such a status and headers, until none is left in the list; then with 204."""
    refuses: bytes = b"\0"
    """What has this in its body is answered with 422."""
    hang_up: int = 0
    """So many requests are read, kept, and not answered: the connection is closed."""
    got: list[Request] = field(default_factory=list)
    url: str = ""


class _Http(ThreadingHTTPServer):
    receiver: Receiver
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: senders are killed here."""


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        if len(body) < int(self.headers["content-length"]):
            self.close_connection = True  # the sender was killed
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.got.append(Request(headers, body, self.path, time.monotonic()))
        if receiver.hang_up:
            receiver.hang_up -= 1
            self.close_connection = True
            return
        status, more = receiver.answers.pop(0) if receiver.answers else (204, {})
        if receiver.refuses in body:
            status = 422
        text = b"this box is not welcome" if status == 422 else b""
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Take POSTs at the address in its `url`."""
    receiver = Receiver()
    with _Http(("127.0.0.1", 0), _Handler) as http:
        http.receiver = receiver
        receiver.url = f"http://127.0.0.1:{http.server_port}/hook/secret-path"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield receiver
        finally:
            http.shutdown()
            thread.join()
