"""A report adds up, or says where it doesn't."""

from typing import Any

import pytest

from pipeline import keys
from pipeline.ledger import Ledger
from pipeline.metrics import LatencyHistogram
from pipeline.source_report import report_source
from tests.fakes import MemoryBroker

FINISHED: dict[str, Any] = {
    "epoch": 1,
    "started_ns": 1_000_000_000,
    "finished_ns": 3_000_000_000,
    "frames": 10,
    "decoded": 10,
    "error": "",
    "finished.annotator": 1,
    "written.jsonl": 10,
    "written.video": 10,
    "codec": "h264",
    "width": 64,
    "height": 48,
}
TRACKED: dict[str, Any] = {"ok": 9, "failed": 1, "objects": 30}


def told(fields: dict[str, Any], tracked: dict[str, Any]) -> MemoryBroker:
    broker = MemoryBroker()
    Ledger(broker, "gate").write(fields)
    with broker.transaction() as transaction:
        transaction.set_fields(keys.checkpoint("gate"), tracked)
    return broker


def test_a_source_that_adds_up_is_ok() -> None:
    histogram = LatencyHistogram()
    histogram.add(0.1)
    broker = told(FINISHED, TRACKED | {"latency": histogram.to_bytes()})
    report = report_source(broker, "gate", "/v/gate.mp4", ["a", "b"], interrupted=False)
    assert (report.status, report.error) == ("ok", None)
    assert (report.frames, report.detected, report.failed, report.detections) == (10, 9, 1, 30)
    assert (report.wall_s, report.fps, report.files) == (2.0, 5.0, ("a", "b"))
    assert report.latency_p50_s == pytest.approx(0.1, rel=0.05)
    assert (report.codec, report.width, report.height) == ("h264", 64, 48)


def test_frames_a_second_are_those_of_this_run() -> None:
    report = report_source(told(FINISHED | {"resumed": 6}, TRACKED), "gate", "", [], interrupted=False)
    assert (report.frames, report.detected + report.failed, report.fps) == (10, 10, 2.0)


@pytest.mark.parametrize(
    ("changed", "tracked", "wanted"),
    [
        ({}, {"ok": 8}, "accounting: 10 frames decoded, but 8 detected + 1 failed"),
        ({}, {"ok": 10}, "accounting: 10 frames decoded, but 10 detected + 1 failed"),
        ({"written.video": 9}, {}, "accounting: 10 frames decoded, but 9 written to video"),
        ({"error": "the file ends early"}, {}, "the file ends early"),
    ],
)
def test_a_source_that_does_not_add_up_has_failed(
    changed: dict[str, Any], tracked: dict[str, Any], wanted: str
) -> None:
    report = report_source(told(FINISHED | changed, TRACKED | tracked), "gate", "", (), interrupted=False)
    assert (report.status, report.error) == ("failed", wanted)


@pytest.mark.parametrize(("interrupted", "status"), [(True, "interrupted"), (False, "failed")])
def test_a_source_that_is_not_finished_says_so(interrupted: bool, status: str) -> None:
    unfinished = {name: value for name, value in FINISHED.items() if name.partition(".")[0] != "finished"}
    report = report_source(told(unfinished, {"ok": 3}), "gate", "", (), interrupted=interrupted)
    assert (report.status, report.error, report.detected) == (status, "not finished", 3)


def test_a_source_that_never_began_is_reported_too() -> None:
    report = report_source(MemoryBroker(), "gate", "", (), interrupted=True)
    assert (report.status, report.frames, report.latency_p50_s) == ("interrupted", 0, None)
