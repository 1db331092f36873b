"""From a data set and a detector to its figures; what the demo weights reach on frames that they never saw."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import structlog
from typer.testing import CliRunner

from detstream import NAS
from detstream.labels import Dataset, Labelled
from detstream.metrics import Metrics
from detstream.val import matched
from pipeline.cli.main import app
from pipeline.errors import ConfigError, SourceError
from stages.detector.engines.openvino import OpenVinoEngine
from tests.detstream.labelled import HELD_OUT, annotation, coco, picture, yolo

YAML, JSON = HELD_OUT / "data.yaml", HELD_OUT / "instances.json"


@pytest.fixture(scope="module")
def demo() -> Iterator[NAS]:
    with NAS("demo", engine=OpenVinoEngine(streams=1)) as model:
        yield model


@pytest.fixture(scope="module")
def reached(demo: NAS) -> dict[str, Metrics]:
    return {file.suffix: demo.val(file) for file in (YAML, JSON)}


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """The command sends the log to the standard error that it has here, which is closed afterwards."""
    yield
    structlog.reset_defaults()


def dataset(*names: str) -> Dataset:
    return Dataset(Path("data.yaml"), names, ())


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_the_demo_weights_find_people_and_cars_in_frames_they_never_saw(
    reached: dict[str, Metrics], suffix: str
) -> None:
    metrics = reached[suffix]
    assert {name: of.ap50 >= 0.80 for name, of in metrics.per_class.items()} == {"person": True, "car": True}
    assert set(metrics.speed) == {"preprocess", "inference", "postprocess"}


def test_both_formats_of_the_data_set_give_the_same_figures(reached: dict[str, Metrics]) -> None:
    yaml, from_json = (replace(metrics, speed={}) for metrics in reached.values())
    assert yaml == from_json


def test_the_data_set_is_small_and_names_where_it_is_from() -> None:
    assert sum(path.stat().st_size for path in HELD_OUT.rglob("*")) < 3_000_000
    assert "CC BY 4.0" in (HELD_OUT / "ATTRIBUTION.md").read_text()


def test_its_own_labels_back_are_perfect(model: NAS, tmp_path: Path) -> None:
    names, image = "names: [person, car]\nval: images", picture(tmp_path / "images/a.png", 64, 64)
    found = model(image)[0]
    rows = zip(found.class_id.tolist(), found.boxes.xywhn.tolist(), strict=True)
    lines = "".join(f"{number} {' '.join(map(str, box))}\n" for number, box in rows)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text(lines)
    (tmp_path / "data.yaml").write_text(names)
    metrics = model.val(tmp_path / "data.yaml")
    assert metrics.map == pytest.approx(1)
    assert (metrics.images, metrics.objects) == (1, 12)


def test_it_tells_how_far_it_is(model: NAS, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    model.val(coco(tmp_path, [annotation()]), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_damaged_picture_ends_it(model: NAS, tmp_path: Path) -> None:
    file = coco(tmp_path, [annotation()])
    (tmp_path / "2.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"2\.png can't be decoded"):
        model.val(file)


def test_a_picture_of_another_size_than_its_labels_are_for_ends_it(model: NAS, tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "1.png", "width": 640, "height": 480}]
    with pytest.raises(ConfigError, match=r"1\.png is 64x32, its labels are for 640x480"):
        model.val(coco(tmp_path, [annotation()], {"images": images}))


def test_a_share_that_is_none_is_refused(model: NAS, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="iou"):
        model.val(coco(tmp_path, [annotation()]), iou=7)


def test_classes_are_matched_by_name_and_those_that_the_data_lack_are_left_out() -> None:
    assert matched(("person", "bus", "car"), dataset("car", "person")) == {2: 0, 0: 1}


def test_classes_are_matched_by_order_where_no_name_says_otherwise() -> None:
    with structlog.testing.capture_logs() as lines:
        assert matched(("class_0", "class_1"), dataset("car", "person")) == {0: 0, 1: 1}
    assert lines[0]["log_level"] == "warning"


def test_what_is_missing_is_named(model: NAS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    monkeypatch.setattr("detstream.metrics.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"pip install 'detstream\[val\]'"):
        model.val(coco(tmp_path, [annotation()]))


@pytest.mark.parametrize("names", [("car", "human"), ("person", "car", "bus")])
def test_other_classes_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="is none of the model's"):
        matched(("person", "car"), dataset(*names))


def test_the_users_names_count(tmp_path: Path) -> None:
    file = yolo(tmp_path, {"a": "0 0.5 0.5 0.5 0.5\n"}, "names: [bus, van]\nval: images")
    with NAS("demo", engine="null", names="bus,van") as model:
        assert list(model.val(file).per_class) == ["bus"]


def val(*arguments: str | Path) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app, ["val", "--engine", "null", *map(str, arguments)])
    return ended.exit_code, ended.stdout, str(ended.exception or "")


def test_the_command_prints_a_table(tmp_path: Path) -> None:
    code, said, _ = val("--data", coco(tmp_path, [annotation()]))
    assert code == 0
    assert ["2", "pictures"] in [line.split() for line in said.splitlines()]
    assert {"all", "car"} <= {line.split()[0] for line in said.splitlines() if line.strip()}
    assert "inference" in said and "null" in said


def test_the_command_prints_json(tmp_path: Path) -> None:
    code, said, _ = val("--data", coco(tmp_path, [annotation()]), "--images", tmp_path, "--json")
    told = json.loads(said)
    assert code == 0
    assert (told["engine"], told["conf"], told["iou"], told["images"]) == ("null", 0.01, 0.7, 2)
    assert set(told["per_class"]) == {"car"}


def test_the_command_refuses_what_is_wrong(tmp_path: Path) -> None:
    code, _, said = val("--data", tmp_path / "missing.yaml")
    assert code == 1  # 2 by main(), which knows our errors
    assert "there is no file" in said
    assert val("--data", tmp_path, "--conf", "7")[0] == 2
    assert val()[0] == 2


def test_boxes_without_a_size_are_pixels() -> None:
    nobody = np.zeros(1, np.bool_)
    labelled = Labelled(Path("a.png"), np.array([[1.0, 2, 3, 4]]), np.array([0]), nobody)
    assert labelled.boxes(10, 20).tolist() == [[1, 2, 3, 4]]
