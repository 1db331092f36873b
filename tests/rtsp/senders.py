"""Other cameras to test with: MPEG-TS over UDP, pictures over HTTP, and one that accepts and says nothing."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from random import Random
from typing import Final

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

RATE: Final = 25
_DATAGRAM: Final = 7 * 188


def picture(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture of (width, height) with a square that moves."""
    image = np.full((size[1], size[0], 3), 60, np.uint8)
    left = number * 4 % (size[0] - 32)
    image[20:52, left : left + 32] = 220
    return image


def transport_stream(sizes: Sequence[tuple[int, int]], frames: int = 50) -> bytes:
    """Return an MPEG-TS of H.264 in which the picture has one size after the other."""
    return b"".join(_segment(number, frames, size) for number, size in enumerate(sizes))


def _segment(number: int, frames: int, size: tuple[int, int]) -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="mpegts") as output:
        stream = output.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "g": "10", "bf": "0"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for index in range(number * frames, (number + 1) * frames):
            frame = VideoFrame.from_ndarray(picture(index, size), "bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


@contextmanager
def sent_over_udp(sizes: Sequence[tuple[int, int]], frames: int = 50, lost: float = 0.0) -> Iterator[int]:
    """Send the stream's rounds over and over, in about real time; yield the port that they go to.

    Of the datagrams a part of `lost` never arrives.
    """
    random = Random(1)
    data = transport_stream(sizes, frames)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    ended = threading.Event()
    pause_s = len(sizes) * frames / RATE / (len(data) / _DATAGRAM)

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not ended.is_set():
                for place in range(0, len(data), _DATAGRAM):
                    if random.random() < lost:
                        continue
                    with suppress(OSError):  # nobody listens yet
                        sender.sendto(data[place : place + _DATAGRAM], ("127.0.0.1", port))
                    if ended.wait(pause_s):
                        return

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        ended.set()
        thread.join()


class _Pictures(BaseHTTPRequestHandler):
    """`/mjpeg` without end; 404 elsewhere; 401 at `/locked`."""

    def do_GET(self) -> None:
        if self.path != "/mjpeg":
            self.send_error(401 if self.path == "/locked" else 404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with suppress(OSError):
            for number in range(100_000):
                _, jpeg = cv2.imencode(".jpg", picture(number, (320, 240)))
                body = jpeg.tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body + b"\r\n")
                time.sleep(1 / RATE)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def pictures_over_http() -> Iterator[int]:
    """Serve; yield the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pictures) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextmanager
def silent_server() -> Iterator[int]:
    """Accept connections and say nothing; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:  # the kernel accepts for it
        yield listener.getsockname()[1]
