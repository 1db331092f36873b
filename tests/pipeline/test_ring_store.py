import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from pipeline.errors import FrameExpiredError, FramePendingError, FrameStoreError
from pipeline.frame import Pictures
from pipeline.messages import FrameMeta
from pipeline.ring_file import required_bytes
from pipeline.ring_folder import default_folder
from pipeline.ring_store import RingStore
from tests.pipeline.ring_writer import HEIGHT, OWNER, SOURCE, WIDTH

ROOT: Final = Path(__file__).parents[2]
DEADLINE_S: Final = 60.0
ENOUGH: Final = 300

FILL_A_TMPFS: Final = """
import sys
from pathlib import Path
from pipeline.errors import FrameStoreError
from pipeline.ring_store import RingStore
folder = Path(sys.argv[1])
store = RingStore(folder, "decoder")
store.create("first", 0, 10, 1 << 20)
try:
    store.create("second", 0, 10, 1 << 20)
except FrameStoreError as error:
    print(error)
print([path.name for path in folder.iterdir()])
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder where rings usually are, so that a fast disk is not needed; else in the temporary folder."""
    place = default_folder(Path(tempfile.gettempdir())).parent
    with tempfile.TemporaryDirectory(prefix="detstream-test-", dir=place) as name:
        yield Path(name)


@contextmanager
def writing(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run another process that writes frames without a pause, and kill it in the end."""
    command = [sys.executable, "-m", "tests.pipeline.ring_writer", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def meta(seq: int, epoch: int = 0) -> FrameMeta:
    return FrameMeta("gate", epoch, seq, 0.0, 8, 8)


def test_a_reader_that_is_lapped_gets_the_right_frame_or_an_error_and_never_wrong_pixels(folder: Path) -> None:
    reader = RingStore(folder, "detector")
    seq, step, read, expired, deadline = 0, 1, 0, 0, time.monotonic() + DEADLINE_S
    with writing(folder):
        while (read < ENOUGH or expired < ENOUGH) and time.monotonic() < deadline:
            try:
                image = reader.full(SOURCE, 0, seq)
                assert (image.width, image.height) == (WIDTH, HEIGHT)
                assert (image.data == seq % 251).all(), f"frame {seq} holds {np.unique(image.data)}"
                read, seq, step = read + 1, seq + 1, 1
            except FrameExpiredError:
                # The next one is about to be overwritten: the worst moment; further, or a slow reader stays behind.
                expired, seq, step = expired + 1, seq + step, step * 2
            except FramePendingError:
                seq, step = seq - step // 2, 1  # too far: again in small steps from where one had expired
    assert (read >= ENOUGH, expired >= ENOUGH) == (True, True), f"{read} read, {expired} expired"


def test_the_ring_of_a_killed_owner_stays_until_the_next_sweep_and_that_of_a_living_one_longer(folder: Path) -> None:
    store = RingStore(folder, "decoder-8")
    writer = store.create("yard", 0, 2, 300)
    with writing(folder) as process:
        assert store.sweep() == []
        assert names(folder) == ["gate.0.ring", "yard.0.ring"]
        process.kill()
        process.wait()
        assert names(folder) == ["gate.0.ring", "yard.0.ring"]
        assert store.sweep() == [f"gate.0.ring of {OWNER}"]
    assert names(folder) == ["yard.0.ring"]
    writer.close()
    assert names(folder) == []


def test_a_ring_that_its_owner_did_not_live_to_finish_is_swept_too(folder: Path) -> None:
    (folder / "tmpx1.ring-unfinished").touch()
    (folder / "somebody-elses.file").touch()
    assert RingStore(folder, "decoder").sweep() == ["tmpx1.ring-unfinished of an unknown process"]
    assert names(folder) == ["somebody-elses.file"]


def test_nothing_is_swept_where_there_is_no_folder(tmp_path: Path) -> None:
    assert RingStore(tmp_path / "missing", "decoder").sweep() == []


def test_more_than_the_file_system_holds_is_refused_with_figures_and_leaves_no_file(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    slots = 2 * disk.f_blocks * disk.f_frsize // (1 << 30)
    with pytest.raises(FrameStoreError, match=r"need \d+ MB in .*, \d+ MB are free there .*memory_mb"):
        RingStore(tmp_path, "decoder").create("gate", 0, max(slots, 1), 1 << 30)
    assert names(tmp_path) == []


def test_a_tmpfs_that_is_full_is_an_error_and_no_bus_error(tmp_path: Path) -> None:
    mounted = 'mount -t tmpfs -o size=16m none "$0" && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", mounted, str(tmp_path), sys.executable, "-c", FILL_A_TMPFS, str(tmp_path)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare: a tmpfs can't be made")
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"a tmpfs can't be made here: {done.stderr.strip()}")
    assert done.stdout.splitlines() == [
        f"the frames of second need 11 MB in {tmp_path}, 5 MB are free there (No space left on device): "
        "set memory_mb lower, or give it more room",
        "['first.0.ring']",
    ]
    assert done.returncode == 0


def test_room_that_is_refused_while_it_is_reserved_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(FrameStoreError, match="need 3 MB"):
            RingStore(tmp_path, "decoder").create("gate", 0, 2, 1 << 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FrameStoreError, match=f"can't make the folder {tmp_path}/file/rings"):
        RingStore(tmp_path / "file" / "rings", "decoder").create("gate", 0, 2, 300)


def test_nobody_else_may_look_at_the_frames(tmp_path: Path) -> None:
    RingStore(tmp_path / "rings", "decoder").create("gate", 0, 2, 300)
    assert stat.S_IMODE((tmp_path / "rings").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "rings" / "gate.0.ring").stat().st_mode) == 0o600


def test_a_ring_has_the_size_that_the_budget_was_told(tmp_path: Path) -> None:
    RingStore(tmp_path, "decoder").create("gate", 0, 130, 5000)
    assert (tmp_path / "gate.0.ring").stat().st_size == required_bytes(130, 5000)
    assert required_bytes(130, 5000) >= 130 * 5000


def test_nobody_keeps_the_memory_of_rings_that_were_removed(tmp_path: Path) -> None:
    store, reader = RingStore(tmp_path, "decoder"), RingStore(tmp_path, "detector")
    for epoch in range(3):
        store.create("gate", epoch, 2, 300).put(meta(0, epoch), Pictures(detect=np.zeros((8, 8, 3), np.uint8)))
        reader.detect("gate", epoch, 0)
    maps = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(tmp_path) in line]
    assert len(maps) == 2
    assert all(line.endswith("gate.2.ring") for line in maps)


def test_a_writer_that_was_replaced_does_not_remove_its_successors_ring(tmp_path: Path) -> None:
    zombie = RingStore(tmp_path, "decoder-1").create("gate", 0, 2, 300)
    RingStore(tmp_path, "decoder-2").create("gate", 0, 2, 300)
    zombie.put(meta(0), Pictures())
    zombie.close()
    assert names(tmp_path) == ["gate.0.ring"]


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 100_000], ids=["empty", "short", "of another layout"])
def test_a_damaged_ring_is_an_error_that_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "gate.0.ring").write_bytes(content)
    with pytest.raises(FrameStoreError, match="restart its decoder"):
        RingStore(tmp_path, "detector").detect("gate", 0, 0)


def test_rings_are_in_the_folder_of_the_run_where_there_is_no_shared_memory(tmp_path: Path) -> None:
    assert default_folder(tmp_path, shared_memory=tmp_path / "shm") == tmp_path
    assert default_folder(tmp_path, shared_memory=ROOT) == tmp_path
