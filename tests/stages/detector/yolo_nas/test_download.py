"""Whatever a server does, the file is there whole or not at all."""

import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from pipeline.errors import ModelError
from stages.detector.yolo_nas.download import Expected, download
from tests.faulty_server import FaultyServer, serving

CONTENT: Final = os.urandom(1_000_000)
DIGEST: Final = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "weights" / "yolo_nas_s.pth"


def part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def fetch(server: FaultyServer, target: Path, size: int | None = None, sha256: str | None = None) -> list[int]:
    """Download without pauses; return the progress that was told."""
    told: list[int] = []
    digest = download(
        server.url, target, Expected(size, sha256), lambda done, _: told.append(done), lambda _: None, pause_s=0
    )
    assert digest == DIGEST
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    return told


def refused(server: FaultyServer, target: Path, size: int | None = None, sha256: str | None = None) -> str:
    """Return the complaint about a download after which there is no file."""
    with pytest.raises(ModelError) as caught:
        fetch(server, target, size, sha256)
    assert not target.exists()
    return str(caught.value)


def test_file_arrives_whole_and_its_progress_is_told(server: FaultyServer, target: Path) -> None:
    told = fetch(server, target, len(CONTENT), DIGEST.upper())
    assert told[0] == 0 and told[-1] == len(CONTENT) and told == sorted(told)


def test_what_a_slow_line_brings_is_told_and_kept_at_once(server: FaultyServer, target: Path) -> None:
    server.first = 1000
    before_the_rest: list[int] = []

    def watch(done: int, total: int | None) -> None:
        if done >= server.first and not server.go.is_set():
            before_the_rest.append(done)
            server.go.set()

    download(server.url, target, Expected(), watch, lambda _: None, pause_s=0)
    assert before_the_rest == [1000] and target.read_bytes() == CONTENT


def test_cut_connections_are_resumed_where_they_were_cut(server: FaultyServer, target: Path) -> None:
    server.cuts = [300_000, 0, 0, 400_000]
    fetch(server, target)
    assert server.requests == ["", "bytes=300000-", "bytes=300000-", "bytes=300000-", "bytes=700000-"]


def test_server_that_is_busy_for_a_moment_is_asked_again(server: FaultyServer, target: Path) -> None:
    server.statuses = [503, 429, 500]
    fetch(server, target)


def test_connections_that_bring_nothing_end_the_download_and_the_next_one_goes_on(
    server: FaultyServer, target: Path
) -> None:
    server.cuts = [300_000] + [0] * 4
    assert "cut after 300000 bytes" in refused(server, target)
    assert part(target).read_bytes() == CONTENT[:300_000]
    fetch(server, target)
    assert server.requests[-1] == "bytes=300000-"


def test_server_without_ranges_sends_all_again(server: FaultyServer, target: Path) -> None:
    server.ranges, server.cuts = False, [300_000, 500_000]
    fetch(server, target)


def test_file_that_changed_between_connections_is_not_mixed(server: FaultyServer, target: Path) -> None:
    server.cuts = [300_000]
    seen: list[int] = []

    def change(done: int, total: int | None) -> None:
        seen.append(done)
        server.tag = '"two"'

    download(server.url, target, Expected(), change, lambda _: None, pause_s=0)
    assert target.read_bytes() == CONTENT
    assert seen.count(0) == 2


def test_part_that_was_not_asked_for_is_refused(server: FaultyServer, target: Path) -> None:
    server.cuts, server.shift = [300_000], 7
    assert "another part than it was asked for" in refused(server, target)


def test_part_that_is_longer_than_the_file_is_thrown_away(server: FaultyServer, target: Path) -> None:
    target.parent.mkdir()
    part(target).write_bytes(CONTENT + b"more")
    fetch(server, target)


def test_file_of_unknown_length_arrives(server: FaultyServer, target: Path) -> None:
    server.tell_length = False
    fetch(server, target)


def test_missing_file_is_told_at_once(server: FaultyServer, target: Path) -> None:
    server.statuses = [404]
    assert "yolo_nas_s_coco.pth: the server answers 404 Not Found" in refused(server, target)
    assert len(server.requests) == 1


def test_file_of_another_size_is_not_fetched(server: FaultyServer, target: Path) -> None:
    assert "the server has 1000000 bytes, expected were 999999" in refused(server, target, size=999_999)
    server.tell_length = False
    assert "has 1000000 bytes, expected were 999999: deleted" in refused(server, target, size=999_999)
    assert not part(target).exists()


def test_file_of_another_hash_is_deleted(server: FaultyServer, target: Path) -> None:
    assert f"has the SHA-256 {DIGEST}, expected was 00ff: deleted" in refused(server, target, sha256="00ff")
    assert not part(target).exists()


def test_file_that_fails_its_check_is_deleted_and_what_was_there_stays(server: FaultyServer, target: Path) -> None:
    def fail(path: Path) -> None:
        raise ModelError("no model")

    target.parent.mkdir()
    target.write_bytes(b"old")
    with pytest.raises(ModelError, match="no model"):
        download(server.url, target, Expected(), lambda *_: None, fail, pause_s=0)
    assert target.read_bytes() == b"old"
    assert not part(target).exists()


def test_two_downloads_of_one_file_do_not_mix(server: FaultyServer, target: Path) -> None:
    target.parent.mkdir()
    with part(target).open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "is being fetched by another process" in refused(server, target)


def test_nobody_at_the_address_is_told(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = FaultyServer(CONTENT, url=f"http://127.0.0.1:{free.getsockname()[1]}/x.pt")
        assert "cut after 0 bytes ([Errno 111] Connection refused)" in refused(server, target)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x.pt", "/etc/passwd"])
def test_only_web_addresses_are_fetched(url: str, target: Path) -> None:
    assert "no address that begins with http" in refused(FaultyServer(CONTENT, url=url), target)


def test_folder_that_can_not_be_made_is_told(server: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"yolo_nas_s\.pth can't be written: File exists"):
        fetch(server, tmp_path / "file" / "yolo_nas_s.pth")
