"""Children that die with the process that started them, also when that one is killed with SIGKILL."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1
_EXIT_NOT_FOUND: Final = 127


def spawn_owned(args: Sequence[str], **popen: Any) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, killed by the kernel when the calling thread or its process ends.

    On Linux the death signal is tied to the thread that calls this, so call it from one that lives as long as the
    child shall: the main one. Elsewhere there is no such signal and the child is only put into its own session, where
    a Ctrl-C in the terminal doesn't reach it. A command that can't be run exits with 127 and says so on its stderr.
    """
    # The child marks itself and then becomes the command. A `preexec_fn` would do so between fork and exec, where
    # Python may deadlock if the owner has threads (and warns about it from 3.12 on).
    become = [sys.executable, "-I", "-S", __file__, str(os.getpid())]
    return subprocess.Popen([*become, *args], start_new_session=True, **popen)


def _become(owner: int, args: Sequence[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != owner:  # it died before we could ask for the signal
            sys.exit(1)
    try:
        os.execvp(args[0], [*args])
    except OSError as error:
        sys.stderr.write(f"can't run {args[0]}: {error.strerror}\n")
        sys.exit(_EXIT_NOT_FOUND)


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
