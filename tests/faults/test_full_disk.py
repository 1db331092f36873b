"""An output disk without room: a tiny tmpfs in a mount namespace of the test's own."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import missing
from tests.e2e.command import DEADLINE_S, DETSTREAM, environment
from tests.e2e.fixtures import Material, Reference
from tests.e2e.outputs import lines

MOUNT: Final = (
    'mount -t tmpfs -o size="$1" none "$2" || exit 99; shift 2; "$@"; code=$?; cp -r "$OUT"/. "$KEPT"; exit $code'
)


@pytest.mark.parametrize("size", ["4k", "32k", "96k"])
def test_a_full_disk_is_one_clear_line(size: str, reference: Reference, material: Material, tmp_path: Path) -> None:
    output, kept = tmp_path / "out", tmp_path / "kept"
    output.mkdir()
    kept.mkdir()
    command = [str(DETSTREAM), "run", str(material.clip), "--model", str(material.model), "--output", str(output)]
    done = subprocess.run(
        [*_unshare(), "sh", "-c", MOUNT, "sh", size, str(output), *command],
        env=environment({"OUT": output, "KEPT": kept}),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 1, done.stderr
    own = [line for line in done.stderr.splitlines() if line.startswith("detstream: ")]
    assert len(own) == 1 and str(output) in own[0] and "No space left on device" in own[0], done.stderr
    assert "Traceback" not in done.stderr
    if (kept / "clip.jsonl").exists():
        found = lines(kept)
        assert found == lines(reference.folder)[: len(found)]


def _unshare() -> list[str]:
    program = shutil.which("unshare")
    works = program and subprocess.run([program, "-rm", "true"], capture_output=True).returncode == 0
    if not works:
        missing("no mount namespace of one's own: run as root, or allow user namespaces (util-linux has unshare)")
    return [str(program), "-rm"]
