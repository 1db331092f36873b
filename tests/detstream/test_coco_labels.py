"""COCO's JSON: ids with holes, crowds, pictures without objects; what is wrong is one line that says where."""

import json
from pathlib import Path
from typing import Any

import pytest

from detstream.datasets import read_dataset
from pipeline.errors import ConfigError
from stages.detector.yolo_nas.class_names import COCO
from tests.detstream.labelled import annotation, coco, picture


def test_categories_are_classes_in_the_order_of_their_ids(tmp_path: Path) -> None:
    dataset = read_dataset(coco(tmp_path, [annotation(), annotation(category_id=1, iscrowd=1)]))
    first, second = dataset.pictures
    assert dataset.names == ("person", "car")
    assert first.class_id.tolist() == [1, 0]
    assert first.crowd.tolist() == [False, True]
    assert first.boxes(32, 64).tolist() == [[8, 4, 16, 8]] * 2
    assert first.area is not None and first.area.tolist() == [99.5, 99.5]
    assert len(second.class_id) == 0


def test_the_ids_of_coco_become_0_to_79(tmp_path: Path) -> None:
    holes = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # of instances_val2017.json
    ids = [number for number in range(1, 91) if number not in holes]
    categories = [{"id": number, "name": name} for number, name in zip(ids, COCO, strict=True)]
    dataset = read_dataset(
        coco(tmp_path, [annotation(category_id=number) for number in ids], {"categories": categories})
    )
    assert dataset.names == COCO
    assert dataset.pictures[0].class_id.tolist() == list(range(80))


@pytest.mark.parametrize("folder", ["images/val2017", "val2017", "images", "annotations/images", "annotations"])
def test_pictures_are_found_where_coco_has_them(tmp_path: Path, folder: str) -> None:
    content = json.loads(coco(tmp_path / "made", [annotation()]).read_text())
    file = tmp_path / "annotations" / "instances_val2017.json"
    file.parent.mkdir()
    file.write_text(json.dumps(content))
    for number in (1, 2):
        picture(tmp_path / folder / f"{number}.png")
    assert read_dataset(file).pictures[0].path == tmp_path / folder / "1.png"
    assert read_dataset(file, tmp_path / "made").pictures[0].path == tmp_path / "made/1.png"


def test_an_area_that_is_not_given_is_that_of_the_box(tmp_path: Path) -> None:
    bare = annotation()
    del bare["area"], bare["iscrowd"]
    area = read_dataset(coco(tmp_path, [bare])).pictures[0].area
    assert area is not None and area.tolist() == [128]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (annotation(category_id=2), "annotation 7: category 2 is none of the 2 categories"),
        (annotation(image_id=3), "annotation 7: is of no picture"),
        (annotation(bbox=[1, 2, 3]), "annotation 7: bbox: [1, 2, 3]: must be"),
        (annotation(bbox=[1, 2, -3, 4]), "annotation 7: bbox"),
        (annotation(bbox=None), "annotation 7: bbox"),
        ("no annotation", "annotation 'no annotation' is none"),
        (annotation(image_id=[1]), "annotation 7: is of no picture"),
    ],
)
def test_a_wrong_annotation_is_named(tmp_path: Path, wrong: Any, said: str) -> None:
    file = coco(tmp_path, [annotation(id=6), wrong])
    with pytest.raises(ConfigError) as caught:
        read_dataset(file)
    assert str(caught.value).startswith(f"{file}: {said}")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"annotations": None}, "it has no list annotations"),
        ({"images": [{"id": 1}]}, "images[0]: needs a whole number as id, and file_name"),
        (
            {"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]},
            "categories[1]: the id 1 stands there twice",
        ),
        ({"annotations": []}, "none of its 2 pictures has a label"),
        ({"images": [{"id": 1, "file_name": "x.png"}]}, "its picture x.png was not found: name their folder"),
        (
            {"images": [{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "x.png"}]},
            "image 2: there is no picture",
        ),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=r"instances\.json") as caught:
        read_dataset(coco(tmp_path, [annotation()], changes))
    assert said in str(caught.value)


def test_what_is_no_json_is_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images":\n oh')
    with pytest.raises(ConfigError, match=r"a\.json: is no JSON: .*line 2"):
        read_dataset(tmp_path / "a.json")


def test_labels_of_a_picture_of_another_size_are_refused(tmp_path: Path) -> None:
    labelled = read_dataset(coco(tmp_path, [annotation()])).pictures[0]
    with pytest.raises(ConfigError, match=r"1\.png is 32x64, its labels are for 64x32"):
        labelled.boxes(64, 32)
