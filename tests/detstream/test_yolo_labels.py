"""What Ultralytics reads, we read; what is wrong is one line that says where."""

from pathlib import Path

import numpy as np
import pytest

from detstream.datasets import read_dataset
from pipeline.errors import ConfigError
from tests.detstream.labelled import picture, yolo

BOX = "1 0.25 0.25 0.25 0.25\n"


def refusal(file: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_dataset(file)
    (line,) = str(caught.value).splitlines()
    return line


def test_boxes_are_shares_of_the_picture_centre_first(tmp_path: Path) -> None:
    dataset = read_dataset(yolo(tmp_path, {"a": BOX + "\n0 0.5 0.5 1 1\n"}))
    (only,) = dataset.pictures
    assert dataset.names == ("person", "car")
    assert only.boxes(32, 64).tolist() == [[8, 4, 16, 8], [0, 0, 64, 32]]
    assert only.class_id.tolist() == [1, 0]


def test_a_picture_without_labels_shows_nothing(tmp_path: Path) -> None:
    dataset = read_dataset(yolo(tmp_path, {"a": BOX, "b": "", "c": "-"}))
    assert [len(labelled.class_id) for labelled in dataset.pictures] == [1, 0, 0]
    assert dataset.pictures[2].boxes(32, 64).shape == (0, 4)


def test_an_outline_is_the_box_around_it_and_what_stands_there_twice_counts_once(tmp_path: Path) -> None:
    dataset = read_dataset(yolo(tmp_path, {"a": BOX + BOX + "0 0.25 0.5 0.5 0.25 0.75 1.0\n"}))
    assert dataset.pictures[0].boxes(32, 64).tolist() == [[8, 4, 16, 8], [16, 8, 32, 24]]


@pytest.mark.parametrize(
    "head",
    [
        "names: {0: person, 1: car}\nval: images",
        "nc: 2\nnames: [person, car]\nval: [images]",
        "names: [person, car]\npath: ../set\nval: images/",
        "names: [person, car]\nval: ../images",
        "names: [person, car]\nval: val.txt",
        "nc: 2\nval: images",
    ],
)
def test_names_paths_and_lists_may_be_written_in_several_ways(tmp_path: Path, head: str) -> None:
    file = yolo(tmp_path / "set", {"a": BOX, "b": BOX}, head)
    (file.parent / "val.txt").write_text(f"./images/a.png\n\n{file.parent}/images/b.png\n")
    assert [(labelled.path.stem, len(labelled.class_id)) for labelled in read_dataset(file).pictures] == [
        ("a", 1),
        ("b", 1),
    ]


def test_a_path_may_be_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = yolo(tmp_path / "set", {"a": BOX}, "names: [person, car]\npath: datasets/mine\nval: images")
    picture(tmp_path / "datasets/mine/images/z.png")
    (tmp_path / "datasets/mine/labels").mkdir()
    (tmp_path / "datasets/mine/labels/z.txt").write_text(BOX)
    monkeypatch.chdir(tmp_path)
    assert [labelled.path.stem for labelled in read_dataset(file).pictures] == ["z"]


def test_labels_lie_where_the_innermost_images_folder_is_labels(tmp_path: Path) -> None:
    file = yolo(tmp_path / "images" / "set", {"a": BOX})
    assert len(read_dataset(file).pictures[0].class_id) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 0.5 0.5 0.5 0.5", "class 2 is none of the 2 classes, 0 to 1"),
        ("-1 0.5 0.5 0.5 0.5", "class -1 is none"),
        ("0.5 0.5 0.5 0.5 0.5", "class 0.5 is none"),
        ("1 0.5 0.5 0.5", "is no label"),
        ("1 0.5 0.5 0.5 0.5 0.5", "is no label"),
        ("1 0.5 nan 0.5 0.5", "is no label"),
        ("car 0.5 0.5 0.5 0.5", "is no label"),
        ("1 100 50 20 20", "not in shares of the picture"),
    ],
)
def test_a_wrong_label_is_named_by_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    refused = refusal(yolo(tmp_path, {"a": BOX + "\n" + line}))
    assert refused.startswith(f"{tmp_path}/labels/a.txt:3: ")
    assert said in refused


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("names: [person, car]\nnc: 3\nval: images", "nc: says 3 classes, names: has 2"),
        ("names: {1: person, 2: car}\nval: images", "names: must be a list"),
        ("names: [car, car]\nval: images", "the class name 'car' stands there twice"),
        ("names: [person, car]", "val: must be a folder"),
        ("names: [person, car]\nval: [images, 5]", "val: must be a folder"),
        ("names: [person, car]\nval: elsewhere", "val: there is no"),
        ("names: [person, car]\nval: labels", "holds no pictures"),
        ("names: [person, car]\nval: val.txt", "val.txt:2: there is no picture"),
        ("[1, 2", "is no YAML"),
    ],
)
def test_a_wrong_data_file_is_named_with_what_is_wrong(tmp_path: Path, head: str, said: str) -> None:
    file = yolo(tmp_path, {"a": BOX}, head)
    (tmp_path / "val.txt").write_text("./images/a.png\n./images/missing.png\n")
    assert said in refusal(file)


def test_a_data_set_without_any_label_is_refused(tmp_path: Path) -> None:
    assert "none of its 1 pictures has a label" in refusal(yolo(tmp_path, {"a": "-"}))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    assert "neither an Ultralytics data YAML nor a COCO JSON" in refusal(picture(tmp_path / "a.png"))
    assert "there is no file" in refusal(tmp_path / "missing.yaml")


def test_the_class_numbers_are_whole(tmp_path: Path) -> None:
    assert read_dataset(yolo(tmp_path, {"a": BOX})).pictures[0].class_id.dtype == np.int64
