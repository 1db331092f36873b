from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from stages.detector.yolo_nas.class_names import COCO, named_by_default, read_names


def test_coco_has_eighty_classes_in_its_order() -> None:
    assert len(set(COCO)) == 80
    assert (COCO[0], COCO[9], COCO[60], COCO[79]) == ("person", "traffic light", "dining table", "toothbrush")


def test_names_are_read_from_the_argument_itself() -> None:
    assert read_names("car, traffic light,,bus") == ("car", "traffic light", "bus")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "car\n\n vélo \r\n"),
        ("a.names", "car\nvélo"),
        ("a.yaml", "path: x\nnames: [car, vélo]\n"),
        ("a.yml", "names: {0: car, 1: vélo}\n"),
        ("a.json", '["car", "vélo"]'),
        ("a.json", '{"names": ["car", "vélo"]}'),
    ],
)
def test_names_are_read_from_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_names(str(tmp_path / name)) == ("car", "vélo")


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.txt", b""), ("a.txt", b"\xff"), ("a.json", b"{"), ("a.json", b"3"), ("a.yaml", b"names: {0: a, 2: b}")],
)
def test_file_without_names_is_refused(tmp_path: Path, name: str, text: bytes) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(ConfigError, match="holds no class names"):
        read_names(str(tmp_path / name))


def test_missing_file_and_double_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.txt: can't be read"):
        read_names(str(tmp_path / "nowhere.txt"))
    with pytest.raises(ConfigError, match="'car' stands there twice"):
        read_names("car,bus,car")
    with pytest.raises(ConfigError, match="holds no class names"):
        read_names(",")


def test_classes_that_nobody_named_get_numbers_unless_they_are_eighty() -> None:
    assert named_by_default(2) == ("class_0", "class_1")
    assert named_by_default(80) == COCO


def test_so_many_names_that_no_file_could_be_called_so_are_names() -> None:
    assert len(read_names(",".join(f"thing {number}" for number in range(80)))) == 80
