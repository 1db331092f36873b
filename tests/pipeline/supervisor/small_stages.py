"""Stages of a few lines, so that a test of their supervisor doesn't wait for real ones to load."""

from pathlib import Path
from typing import Final

LIFE: Final = """
import os, sys, time
from pathlib import Path
lives = Path(sys.argv[1]).with_suffix(".lives")
with lives.open("a") as file:
    file.write(f"{os.getpid()} {os.environ.get('DETSTREAM_NAME')}\\n")
"""
STAYS: Final = LIFE + "time.sleep(600)\n"
STUBBORN: Final = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STAYS
ENDS: Final = LIFE


def complains(code: int, *lines: str) -> str:
    """Return a stage that writes lines on its stderr and ends with a code."""
    return LIFE + "".join(f"sys.stderr.write({line!r} + chr(10))\n" for line in lines) + f"sys.exit({code})\n"


def write_stage(folder: Path, stage: str, code: str) -> None:
    """Make `python -m stages.<stage>` run this code, for processes that find the folder in PYTHONPATH."""
    package = folder / "stages" / stage
    package.mkdir(parents=True, exist_ok=True)
    (folder / "stages" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(code)


def lives(config: Path) -> list[tuple[int, str]]:
    """Return the pid and the name of each process that was started with this settings file, the oldest first."""
    file = config.with_suffix(".lives")
    rows = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [(int(pid), name) for pid, name in rows]
