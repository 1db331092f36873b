"""A manifest is written whole or not at all."""

import json
from pathlib import Path

import pytest

from pipeline.errors import SinkError
from pipeline.supervisor.manifest import manifest, write_manifest


def test_a_manifest_holds_the_sources_the_machine_and_the_versions(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest([{"source": "gate"}], 0.0, {"engine": "null"}))
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
