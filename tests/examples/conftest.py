"""Where the consumers are, and what the one for Node.js needs."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import missing

CONSUMERS: Final = Path(__file__).parents[2] / "examples" / "consumers"


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Node.js consumer with the packages that it names, which npm keeps in its cache."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        missing("no Node.js: apt-get install nodejs npm")
    folder = tmp_path_factory.mktemp("consumers")
    for name in ("follow.mjs", "package.json"):
        shutil.copy(CONSUMERS / name, folder)
    command = [npm, "install", "--prefer-offline", "--no-audit", "--no-fund", "--silent"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if ended.returncode:
        missing(f"npm can't install the packages of the Node.js consumer: {ended.stderr.strip()[-200:]}")
    return folder
