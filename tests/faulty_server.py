"""A web server on the loopback that serves one file, and fails as it is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_DEADLINE_S = 10


@dataclass
class FaultyServer:
    """What it serves and how; changes take effect with the next request."""

    content: bytes
    cuts: list[int] = field(default_factory=list)
    """Each request is cut after so many bytes of its body, until none is left in the list."""
    statuses: list[int] = field(default_factory=list)
    """Each request is answered with such a status, until none is left in the list."""
    ranges: bool = True
    shift: int = 0
    """Parts begin so many bytes beside where they were asked for, and say so."""
    tell_length: bool = True
    first: int = 0
    """It waits after so many bytes of the body until ``go`` is set."""
    go: threading.Event = field(default_factory=threading.Event)
    tag: str = '"one"'
    requests: list[str] = field(default_factory=list)
    """The Range header of each request."""
    url: str = ""


class _Http(ThreadingHTTPServer):
    faulty: FaultyServer


class _Handler(BaseHTTPRequestHandler):
    server: _Http

    def do_GET(self) -> None:
        faulty, wanted = self.server.faulty, self.headers.get("Range", "")
        faulty.requests.append(wanted)
        start = self._start(wanted)
        if faulty.statuses:
            self.send_error(faulty.statuses.pop(0))
        elif start and start >= len(faulty.content):
            self.send_error(416)
        else:
            self._send(start)

    def log_message(self, *arguments: object) -> None:
        pass

    def _start(self, wanted: str) -> int:
        faulty = self.server.faulty
        if not (faulty.ranges and wanted) or self.headers.get("If-Range", faulty.tag) != faulty.tag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-")) + faulty.shift

    def _send(self, start: int) -> None:
        faulty = self.server.faulty
        size, body = len(faulty.content), faulty.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if faulty.tell_length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", faulty.tag)
        if faulty.ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        body = body[: faulty.cuts.pop(0)] if faulty.cuts else body
        with suppress(ConnectionError):  # who refuses the file hangs up
            self.wfile.write(body[: faulty.first])
            if faulty.first:
                faulty.go.wait(_DEADLINE_S)
            self.wfile.write(body[faulty.first :])


@contextmanager
def serving(content: bytes) -> Iterator[FaultyServer]:
    """Serve some bytes at the address in its ``url``."""
    server = FaultyServer(content)
    with _Http(("127.0.0.1", 0), _Handler) as http:
        http.faulty = server
        server.url = f"http://127.0.0.1:{http.server_port}/models/yolo_nas_s_coco.pth"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
