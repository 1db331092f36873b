import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from detstream import NAS, Result
from pipeline.errors import SinkError, SourceError
from tests.stages.decoder.videos import numbered


@pytest.fixture
def result(model: NAS) -> Result:
    return model(numbered(1, (640, 480)), max_det=3)[0]


def test_the_arrays_have_the_shapes_that_are_promised(result: Result) -> None:
    assert result.xyxy.shape == (3, 4) and result.xyxy.dtype == np.float32
    assert result.confidence.shape == (3,) and result.confidence.dtype == np.float32
    assert result.class_id.shape == (3,) and result.class_id.dtype == np.int32
    assert result.class_name == tuple(result.names[number] for number in result.class_id.tolist())


def test_the_boxes_speak_ultralytics(result: Result) -> None:
    boxes = result.boxes
    assert boxes.data.shape == (3, 6) and np.array_equal(boxes.cpu().numpy().conf, result.confidence)
    assert np.allclose(boxes.xyxyn * [640, 480, 640, 480], boxes.xyxy, atol=1e-3)
    x, y, width, height = boxes.xywh[0]
    assert np.allclose([x - width / 2, y - height / 2, x + width / 2, y + height / 2], boxes.xyxy[0])
    assert np.allclose(boxes.xywhn[0] * [640, 480, 640, 480], boxes.xywh[0], atol=1e-3)
    assert [len(box) for box in boxes] == [1, 1, 1] and boxes[1].xyxy.shape == (1, 4)


def test_a_plot_is_a_copy_with_boxes(result: Result) -> None:
    before = result.orig_img.copy()
    drawn = result.plot()
    assert drawn.shape == (480, 640, 3) and drawn.dtype == np.uint8
    assert np.array_equal(result.orig_img, before) and not np.array_equal(drawn, before)


def test_it_is_saved_as_its_suffix_says(result: Result, tmp_path: Path) -> None:
    saved = cv2.imread(str(result.save(tmp_path / "drawn.png")))
    assert saved is not None and np.array_equal(saved, result.plot())


@pytest.mark.parametrize("name", ["drawn.xyz", "drawn", "missing/drawn.png"])
def test_what_cannot_be_saved_is_an_error(result: Result, tmp_path: Path, name: str) -> None:
    with pytest.raises(SinkError, match="can't be written"):
        result.save(tmp_path / name)


def test_supervision_gets_the_same(result: Result) -> None:
    detections = result.to_supervision()
    assert np.array_equal(detections.xyxy, result.xyxy) and detections.confidence is not None
    assert list(detections.data["class_name"]) == list(result.class_name)
    assert len(result[:0].to_supervision()) == 0


def test_json_has_the_fields_of_a_run(result: Result) -> None:
    line = json.loads(result.to_json())
    assert (line["source"], line["seq"], line["status"], line["width"]) == ("image0.jpg", 0, "ok", 640)
    assert [item["class_name"] for item in line["detections"]] == list(result.class_name)


def test_a_summary_is_a_dictionary_an_object(result: Result) -> None:
    first = result.summary()[0]
    assert (first["name"], first["class"], first["confidence"]) == ("person", 0, 0.9)
    assert list(first["box"].values()) == pytest.approx(result.xyxy[0].tolist(), abs=0.01)


def test_it_says_how_many_there_are(result: Result) -> None:
    assert result.verbose() == "2 persons, 1 car"
    assert result[:0].verbose() == "(no detections)"


def test_it_can_be_picked_apart(result: Result) -> None:
    assert [one.class_name for one in result] == [("person",), ("car",), ("person",)]
    assert result[result.class_id == 0].class_name == ("person", "person")
    assert len(result[-1]) == 1
    with pytest.raises(IndexError):
        result[3]


def test_without_a_picture_it_says_why(model: NAS, folder: Path) -> None:
    failed = model([folder / "shot3.png"])[0]
    assert len(failed) == 0 and failed.verbose().startswith("failed: ")
    assert failed.boxes.xyxyn.shape == (0, 4) and json.loads(failed.to_json())["status"] == "failed"
    with pytest.raises(SourceError, match=r"no picture of .*shot3\.png"):
        failed.plot()
