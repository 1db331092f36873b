"""COCO JSON that pycocotools loads, written as it comes."""

import json
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

from stages.annotator.sinks.coco import CocoSink
from tests.stages.annotator.frames import found
from tests.stages.annotator.sinks.lines import derive, finished, leave_halfway, told


def loaded(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_every_frame_is_an_image_and_every_object_an_annotation(tmp_path: Path) -> None:
    of = finished(tmp_path)
    (path,) = derive(CocoSink(), of)
    content, rows = loaded(path), told(of)
    assert path.name == "gate.coco.json" and list(content) == ["info", "images", "annotations", "categories"]
    assert [image["frame_index"] for image in content["images"]] == list(range(9))
    assert content["images"][3]["status"] == "failed" and content["images"][3]["error"]
    assert [item["id"] for item in content["annotations"]] == list(range(1, sum(len(row.objects) for row in rows) + 1))
    assert content["categories"] == [{"id": 0, "name": "car"}, {"id": 1, "name": "person"}]
    assert list(CocoSink().rows(tmp_path, "gate")) == rows


def test_boxes_are_corner_and_size_with_area_score_and_track(tmp_path: Path) -> None:
    of = finished(tmp_path)
    annotation = loaded(derive(CocoSink(), of)[0])["annotations"][0]
    x1, y1, x2, y2, confidence, class_id, _, track = told(of)[1].objects[0]
    width, height = x2 - x1, y2 - y1
    assert annotation["bbox"] == pytest.approx([x1, y1, width, height])
    assert annotation["area"] == pytest.approx(width * height, abs=0.01)
    assert (annotation["image_id"], annotation["category_id"], annotation["score"]) == (1, class_id, confidence)
    assert annotation["track_id"] == track and annotation["iscrowd"] == 0


def test_pycocotools_loads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = derive(CocoSink(), finished(tmp_path))
    coco = COCO(str(path))
    assert "index created" in capsys.readouterr().out
    assert len(coco.imgs) == 9 and len(coco.getAnnIds(catIds=[0])) + len(coco.getAnnIds(catIds=[1])) == len(coco.anns)


def test_without_objects_and_without_frames_it_is_still_whole(tmp_path: Path) -> None:
    (path,) = derive(CocoSink(), finished(tmp_path, [found(0, objects=0)]))
    assert loaded(path)["annotations"] == [] and len(loaded(path)["images"]) == 1
    (path,) = derive(CocoSink(), finished(tmp_path, []))
    assert loaded(path)["images"] == loaded(path)["categories"] == []
    assert list(CocoSink().rows(tmp_path, "gate")) == []


def test_made_again_it_is_the_same_and_halfway_it_leaves_nothing(tmp_path: Path) -> None:
    of = finished(tmp_path)
    leave_halfway(CocoSink(), of)
    assert [path.name for path in tmp_path.iterdir()] == ["gate.jsonl"]
    (path,) = derive(CocoSink(), of)
    first = path.read_bytes()
    assert derive(CocoSink(), of)[0].read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gate.coco.json", "gate.jsonl"]
