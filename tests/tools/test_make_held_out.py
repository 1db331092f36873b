"""The same labels in both formats, read back by the readers that users have."""

from pathlib import Path

import numpy as np
import pytest

from detstream.datasets import read_dataset
from tools.demo.labels import Labelled
from tools.make_held_out import write


def labelled(seq: int, *boxes: tuple[int, int, int, int]) -> Labelled:
    image = np.full((432, 768, 3), 90, np.uint8)
    return Labelled(seq, image, np.array(boxes, np.float32).reshape(-1, 4), 1, (), usable=True)


def test_both_formats_hold_the_same_labels_of_the_same_pictures(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/old.jpg").write_bytes(b"of an earlier run")
    write(tmp_path, [("car-1", labelled(1, (3, 7, 101, 233), (0, 0, 768, 432))), ("car-2", labelled(2))])
    yolo, coco = read_dataset(tmp_path / "data.yaml"), read_dataset(tmp_path / "instances.json")
    assert yolo.names == coco.names == ("person", "car")
    assert [one.path for one in yolo.pictures] == [one.path for one in coco.pictures]
    for one, other in zip(yolo.pictures, coco.pictures, strict=True):
        assert one.boxes(432, 768).tolist() == [pytest.approx(box, abs=1e-4) for box in other.boxes(432, 768).tolist()]
        assert one.class_id.tolist() == other.class_id.tolist()
    assert coco.pictures[0].xywh.tolist() == [[3, 7, 98, 226], [0, 0, 768, 432]]
