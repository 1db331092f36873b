"""A real PostgreSQL on the loopback, that can be killed and started again."""

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Final

from tests.conftest import missing

_DEADLINE_S: Final = 60


class Postgres:
    """One server with a cluster of its own; as root, run as the user `postgres`, as it refuses to run as root."""

    def __init__(self, folder: Path) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not programs and shutil.which("initdb") is None:
            missing("PostgreSQL is not installed; on Debian: apt install postgresql")
        self._bin = programs[-1].parent if programs else Path(str(shutil.which("initdb"))).parent
        self._user = self._owner() if os.geteuid() == 0 else None
        self._data, self._log = folder / "data", folder / "log"
        if self._user is not None:
            os.chown(folder, self._user, -1)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        trust = ("-A", "trust", "-U", "tester", "--no-sync", "-E", "UTF8")
        self._run("initdb", "-D", str(self._data), *trust)
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://tester@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self._data} -c max_connections=20"
        self._run("pg_ctl", "-D", str(self._data), "-l", str(self._log), "-w", "-o", options, "start")

    def kill(self) -> None:
        """Let it die at once, as by SIGKILL: what is committed stays."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            user=self._user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would be held open by the server
            stderr=subprocess.DEVNULL,
            timeout=_DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, self._log.read_text() if self._log.exists() else program

    def _owner(self) -> int:
        try:
            return pwd.getpwnam("postgres").pw_uid
        except KeyError:
            missing("PostgreSQL doesn't run as root, and there is no user postgres")
