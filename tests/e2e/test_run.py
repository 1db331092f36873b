"""`detstream run` on recordings that are as they should be."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import av
import pytest

from tests.clips import CREATED, RATE, numbers, times, write_clip
from tests.e2e.command import detstream
from tests.e2e.fixtures import FRAMES, NAMES, Material, Reference
from tests.e2e.outputs import check_accounts, lines, manifest, source_in

LINE: Final = ("source", "seq", "pts_s", "timestamp", "width", "height", "status", "detections")
OBJECT: Final = ("xyxy", "confidence", "class_id", "class_name", "tracker_id")


def test_writes_one_line_a_frame_in_order(reference: Reference) -> None:
    found = lines(reference.folder)
    assert [line["seq"] for line in found] == list(range(FRAMES))
    for line in found:
        assert tuple(line) == LINE
        assert (line["source"], line["width"], line["height"], line["status"]) == ("clip", 384, 216, "ok")
        assert line["pts_s"] == pytest.approx(line["seq"] / RATE, abs=1e-6)
        captured = CREATED + timedelta(seconds=line["seq"] / RATE)
        assert line["timestamp"] == captured.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_finds_objects_that_lie_inside_the_frame(reference: Reference) -> None:
    objects = [found for line in lines(reference.folder) for found in line["detections"]]
    assert len(objects) > FRAMES
    assert len({found["tracker_id"] for found in objects}) > 2
    for found in objects:
        x1, y1, x2, y2 = found["xyxy"]
        assert tuple(found) == OBJECT
        assert 0 <= x1 <= x2 <= 384 and 0 <= y1 <= y2 <= 216
        assert 0.5 < found["confidence"] <= 1 and found["class_name"] == NAMES[found["class_id"]]
        assert found["tracker_id"] is None or found["tracker_id"] >= 1


def test_the_video_has_each_frame_at_its_time(reference: Reference, material: Material) -> None:
    path = reference.folder / "clip.mp4"
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", 384, 216)
    assert times(path) == pytest.approx(times(material.clip), abs=1e-4)
    shown = numbers(path)
    assert len(shown) == FRAMES
    assert sum(number == seq for seq, number in enumerate(shown)) > FRAMES / 2  # a label may cover the number


def test_the_manifest_accounts_for_each_frame(reference: Reference, material: Material) -> None:
    written = manifest(reference.folder)
    check_accounts(written, reference.folder)
    source = source_in(written)
    assert (source["status"], source["frames"], source["detected"], source["failed"]) == ("ok", FRAMES, FRAMES, 0)
    assert source["path"] == str(material.clip)
    assert sorted(source["files"]) == [str(reference.folder / name) for name in ("clip.jsonl", "clip.mp4")]
    assert written["model"]["name"] == str(material.model) and written["detectors"] == 1 and written["engine"]


def test_leaves_nothing_but_its_outputs(reference: Reference) -> None:
    assert sorted(path.name for path in reference.folder.iterdir()) == ["clip.jsonl", "clip.mp4", "manifest.json"]


def test_json_prints_the_manifest_and_nothing_else(reference: Reference) -> None:
    assert reference.out.count("\n") == 1
    assert json.loads(reference.out) == manifest(reference.folder)


def test_a_second_run_and_a_second_detector_change_nothing(
    reference: Reference, material: Material, tmp_path: Path
) -> None:
    ended = detstream("run", material.clip, "--model", material.model, "--output", tmp_path, "--detectors", "2")
    assert ended.code == 0, ended.err
    assert "clip" in ended.out and str(FRAMES) in ended.out
    assert manifest(tmp_path)["detectors"] == 2
    for ours, theirs in zip(lines(tmp_path), lines(reference.folder), strict=True):
        _check_same(ours, theirs)


def test_several_sources_are_done_in_one_run(material: Material, tmp_path: Path) -> None:
    folder, output = tmp_path / "recordings", tmp_path / "out"
    folder.mkdir()
    for name, first in (("one", 0), ("two", 40), ("cam-7", 80)):
        write_clip(tmp_path / f"{name}.mp4", 30, first=first)
    (tmp_path / "one.mp4").rename(folder / "one.mp4")
    (folder / "notes.txt").write_text("no video")
    gate = f"gate={material.clip}"
    sources = (folder, tmp_path / "cam-*.mp4", gate)
    ended = detstream("run", *sources, "--model", material.model, "--output", output, "--no-video", "--json")
    assert ended.code == 0, ended.err
    written = json.loads(ended.out)
    check_accounts(written, output)
    frames = {source["source"]: source["frames"] for source in written["sources"]}
    assert frames == {"one": 30, "cam-7": 30, "gate": FRAMES}
    assert {line["source"] for line in lines(output, "gate")} == {"gate"}
    assert not list(output.glob("*.mp4*"))


def test_the_same_input_gives_the_same_lines_beside_other_sources(
    reference: Reference, material: Material, tmp_path: Path
) -> None:
    other = write_clip(tmp_path / "other.mp4", 60, first=100)
    output = tmp_path / "out"
    ended = detstream("run", material.clip, other, "--model", material.model, "--output", output, "--no-video")
    assert ended.code == 0, ended.err
    assert (output / "clip.jsonl").read_bytes() == (reference.folder / "clip.jsonl").read_bytes()


def _check_same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """See that two lines agree, up to what another order of additions may change."""
    assert ours | {"detections": ()} == theirs | {"detections": ()}
    assert len(ours["detections"]) == len(theirs["detections"])
    for mine, other in zip(ours["detections"], theirs["detections"], strict=True):
        assert mine["xyxy"] == pytest.approx(other["xyxy"], abs=0.05)
        assert mine["confidence"] == pytest.approx(other["confidence"], abs=0.002)
        assert all(mine[key] == other[key] for key in ("class_id", "class_name", "tracker_id"))
