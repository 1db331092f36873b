"""A report adds up, or says where it doesn't; a manifest is written whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import keys
from pipeline.errors import SinkError
from pipeline.ledger import Ledger
from pipeline.metrics import LatencyHistogram
from pipeline.supervisor.report import manifest, report_source, write_manifest
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


def test_a_manifest_holds_the_reports_the_machine_and_the_versions(tmp_path: Path) -> None:
    report = report_source(told(FINISHED, TRACKED), "gate", "", ("a",), interrupted=False)
    write_manifest(tmp_path, manifest([report], 0.0, {"engine": "null"}))
    found = json.loads((tmp_path / "manifest.json").read_text())
    assert found["sources"][0]["source"] == "gate"
    assert (found["engine"], found["started"]) == ("null", "1970-01-01T00:00:00.000+00:00")
    assert found["machine"]["cores"] >= 1 and "openvino" in found["versions"]
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_manifest_that_can_not_be_written_is_named_and_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "manifest.json" / "in the way").mkdir(parents=True)
    with pytest.raises(SinkError, match=r"manifest.json: can't be written: "):
        write_manifest(tmp_path, {"run": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
