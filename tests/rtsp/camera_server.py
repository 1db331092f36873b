"""A camera to test with: an RTSP server that can be killed, frozen and started again on its port."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pipeline.owned_process import spawn_owned
from tests.clips import DEMO
from tests.conftest import missing

PACKAGES: Final = (
    "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-rtsp"
)
_PYTHON: Final = "/usr/bin/python3"  # Debian's bindings are for Debian's Python
_SERVER: Final = Path(__file__).with_name("server.py")
_NEEDED: Final = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def need_gstreamer() -> None:
    """Skip the test, or fail it under CI, where there is no GStreamer."""
    try:
        there = subprocess.run([_PYTHON, "-c", _NEEDED], capture_output=True, check=False).returncode == 0
    except OSError:
        there = False
    if not there:
        missing(f"needs GStreamer's RTSP server: apt-get install -y --no-install-recommends {PACKAGES}")


class CameraServer:
    """Serves recordings in endless loops; dies with its owner."""

    def __init__(self, clips: Mapping[str, Path] | None = None, login: tuple[str, str, str] | None = None) -> None:
        """`clips` by path, such as `/gate`; `login` is ("basic" or "digest", user, password)."""
        self._clips = {path: str(clip) for path, clip in (clips or {"/gate": DEMO}).items()}
        self._login = login
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def url(self, path: str = "/gate", login: str = "") -> str:
        """Return the URL of a path; `login` is user:password."""
        return f"rtsp://{login + '@' if login else ''}127.0.0.1:{self.port}{path}"

    def start(self) -> None:
        """Serve, on the same port as before; returns when it does."""
        process = spawn_owned([_PYTHON, str(_SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin and process.stdout
        self._process = process
        process.stdin.write(
            json.dumps({"port": self.port, "clips": self._clips, "login": self._login}).encode() + b"\n"
        )
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer, f"the RTSP server ended with {process.wait()}"
        self.port = int(answer)

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Stop it from running; its sockets stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        need_gstreamer()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
