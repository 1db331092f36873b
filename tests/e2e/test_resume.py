"""The same command again, on a folder of recordings that grows."""

import shutil
from pathlib import Path

from tests.clips import write_clip
from tests.e2e.command import detstream
from tests.e2e.outputs import check_accounts, count, manifest, source_in


def test_what_has_come_since_a_run_is_done_by_the_same_command(tmp_path: Path) -> None:
    recordings, output, settings = tmp_path / "recordings", tmp_path / "out", tmp_path / "settings.yaml"
    settings.write_text("detector: {engine: {kind: 'null', objects: 2}}\n")
    arguments = ("run", recordings, "--config", settings, "--output", output, "--format", "jsonl,report", "--resume")
    recordings.mkdir()
    write_clip(recordings / "monday.mp4", 20)
    (recordings / "broken.mp4").write_bytes(b"no video")
    assert detstream(*arguments).code == 1
    first = (output / "monday.jsonl").stat()

    again = detstream(*arguments)
    assert again.code == 1 and "nothing is left to do" in again.err, "of the same recordings, one is still broken"
    assert "broken.mp4" in again.out and (output / "monday.jsonl").stat().st_mtime_ns == first.st_mtime_ns

    shutil.move(recordings / "monday.mp4", tmp_path / "monday.mp4")  # its time here is over
    write_clip(recordings / "tuesday.mp4", 30, first=50)
    ended = detstream(*arguments)
    assert ended.code == 1 and count(output, "tuesday") == 30
    assert (output / "monday.jsonl").stat().st_ino == first.st_ino
    written = manifest(output)
    check_accounts(written, output)
    statuses = {name: source_in(written, name)["status"] for name in ("monday", "tuesday", "broken")}
    assert statuses == {"monday": "ok", "tuesday": "ok", "broken": "failed"}
    page = (output / "report.html").read_text()
    assert all(name in page for name in statuses)

    write_clip(recordings / "broken.mp4", 10)
    assert detstream(*arguments).code == 0 and count(output, "broken") == 10
    proved = detstream("verify", output)
    assert proved.code == 1 and "monday.mp4" in proved.out, "that one was moved away"
    shutil.move(tmp_path / "monday.mp4", recordings / "monday.mp4")
    assert detstream("verify", output).code == 0
