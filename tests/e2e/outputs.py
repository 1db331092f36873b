"""What lies in an output folder."""

import json
from pathlib import Path
from typing import Any


def lines(folder: Path, source: str = "clip") -> list[dict[str, Any]]:
    """Return what the JSON lines of a source say; each must be whole."""
    text = (folder / f"{source}.jsonl").read_text()
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def count(folder: Path, source: str = "clip") -> int:
    """Return how many lines there are at this moment."""
    path = folder / f"{source}.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest."""
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def source_in(written: dict[str, Any], name: str = "clip") -> dict[str, Any]:
    """Return what a manifest says of one source."""
    (found,) = [source for source in written["sources"] if source["source"] == name]
    return dict(found)


def check_accounts(written: dict[str, Any], folder: Path) -> None:
    """See that each frame of each finished source is accounted for."""
    for source in written["sources"]:
        assert source["frames"] == source["detected"] + source["failed"] + source["dropped"] + source["skipped"]
        found = lines(folder, source["source"])
        assert [line["seq"] for line in found] == list(range(source["frames"]))
        assert sum(line["status"] == "failed" for line in found) == source["failed"]
        assert sum(len(line["detections"]) for line in found) == source["detections"]
