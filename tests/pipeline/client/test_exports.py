"""Other programs' data sets hold the same boxes, tracks and names."""

import contextlib
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pycocotools.coco import COCO

from detstream import to_coco, to_cvat, to_fiftyone
from pipeline.client.items import FrameDetections
from tests.pipeline.client.publishing import frame


@pytest.fixture
def frames() -> list[FrameDetections]:
    """Three frames; `dog` is track 1 in the first and the third, `car` has none."""
    classes: list[tuple[str, ...]] = [("car", "dog"), ("car",), ("car", "dog")]
    return [FrameDetections("1-0", frame("gate", seq, classes=names)) for seq, names in enumerate(classes)]


def test_coco_is_read_by_its_own_tools(frames: list[FrameDetections], tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(to_coco(frames)))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    assert [image["file_name"] for image in coco.loadImgs([1, 2, 3])] == [f"gate-00000{seq}.jpg" for seq in range(3)]
    assert {one["id"]: one["name"] for one in coco.loadCats(coco.getCatIds())} == {0: "car", 1: "dog"}
    car, dog = coco.loadAnns(coco.getAnnIds(imgIds=[3]))
    assert (car["bbox"], car["score"], "track_id" in car) == ([0.0, 1.0, 2.0, 2.0], 0.9, False)
    assert (dog["bbox"], dog["area"], dog["track_id"], dog["category_id"]) == ([4.0, 5.0, 2.0, 2.0], 4.0, 1, 1)


def test_fiftyone_has_boxes_in_parts_of_the_picture(frames: list[FrameDetections]) -> None:
    found = to_fiftyone(frames, lambda one: f"{one.seq}.png")
    assert found["classes"] == ["car", "dog"] and list(found["labels"]) == ["0", "1", "2"]
    assert found["labels"]["0"][1] == {
        "label": "dog",
        "bounding_box": [4 / 640, 5 / 480, 2 / 640, 2 / 480],
        "confidence": 0.3,
        "attributes": {"track_id": 1},
    }


def test_cvat_has_tracks_that_are_gone_where_they_are_not_seen(frames: list[FrameDetections]) -> None:
    root = ElementTree.fromstring(to_cvat(frames))
    assert (root.findtext("version"), root.findtext("meta/task/size")) == ("1.1", "3")
    assert [name.text for name in root.findall("meta/task/labels/label/name")] == ["car", "dog"]
    tracks = {track.get("id"): track for track in root.iter("track")}
    dogs = [track for track in tracks.values() if track.get("label") == "dog"]
    boxes = [(box.get("frame"), box.get("outside"), box.get("xtl"), box.get("ybr")) for box in dogs[0]]
    assert len(dogs) == 1 and boxes == [
        ("0", "0", "4.00", "7.00"),
        ("1", "1", "4.00", "7.00"),
        ("2", "0", "4.00", "7.00"),
    ]
    cars = [[box.get("outside") for box in track] for track in tracks.values() if track.get("label") == "car"]
    assert cars == [["0", "1"], ["0", "1"], ["0"]]


def test_nothing_is_an_empty_data_set() -> None:
    assert to_coco([]) == {"images": [], "annotations": [], "categories": []}
    assert to_fiftyone([]) == {"classes": [], "labels": {}}
    assert list(ElementTree.fromstring(to_cvat([])).iter("track")) == []
