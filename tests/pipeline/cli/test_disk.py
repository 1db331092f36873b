"""Of a full disk it is said how much room is needed, by what was written so far."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cli.disk import needed_bytes, with_need
from pipeline.source_report import SourceReport

FULL = "out/gate.mp4 can't be written (No space left on device): check the disk's free space and permissions"


@pytest.fixture
def report(tmp_path: Path) -> SourceReport:
    """A recording of 1000 frames, 200 of which have taken 3 MB."""
    (tmp_path / "gate.jsonl").write_bytes(bytes(1_000_000))
    (tmp_path / "gate.mp4.part").write_bytes(bytes(2_000_000))
    files = (str(tmp_path / "gate.jsonl"), str(tmp_path / "gate.mp4.part"), str(tmp_path / "none"))
    times = (1.0, 10.0, None, None)
    return SourceReport(
        "gate", "gate.mp4", "failed", "not finished", 264, 1000, 190, 10, 0, 0, 7, *times, "h264", 9, 9, files, size=500
    )


def test_what_is_left_takes_as_much_a_frame_as_what_was_written(report: SourceReport) -> None:
    assert needed_bytes([report]) == 12_000_000
    assert with_need(FULL, [report]) == (
        f"{FULL}; about 12.0 MB are needed for the rest: make room, then go on with --resume"
    )


def test_recordings_that_nobody_has_opened_count_by_their_size(report: SourceReport) -> None:
    later = replace(report, source="yard", expected=None, size=1000, detected=0, failed=0, files=())
    assert needed_bytes([report, later]) == 12_000_000 + 30_000_000
    done = replace(report, source="hall", status="ok", detected=1000, failed=0, files=())
    assert needed_bytes([report, done]) == 800 * 3_000_000 / 1200


def test_where_nothing_was_written_nobody_knows(report: SourceReport) -> None:
    said = with_need(FULL, [replace(report, detected=0, failed=0)])
    assert said == f"{FULL}; room is needed for the rest: make room, then go on with --resume"


@pytest.mark.parametrize("error", [None, "the detector died"])
def test_other_errors_stay_as_they_are(report: SourceReport, error: str | None) -> None:
    assert with_need(error, [report]) == error
