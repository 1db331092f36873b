"""A network in INT8, from weights to the cache; the network itself is the one that all tests share."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from detstream import NAS, quantize
from detstream.datasets import read_dataset
from detstream.labels import Dataset
from detstream.measuring import Share
from detstream.pictures import read_image
from detstream.quantize import Int8
from detstream.val import matched
from pipeline.errors import ConfigError, EngineError, ModelError, SourceError
from stages.detector.int8.quantized import Quantized
from stages.detector.int8.search import Selection
from stages.detector.int8.store import REPORT, Report, Runtime, find, read
from tests.detstream.labelled import HELD_OUT
from tests.small_int8 import BOTH, CLIP, SIZE, card, graph, images, quantized

BLOCK = "backbone.stage4.blocks"


@dataclass
class Kitchen:
    """Where networks are made, and how often one was calibrated."""

    home: Path
    calibrated: list[Runtime] = field(default_factory=list)

    @property
    def cache(self) -> Path:
        return self.home / ".cache/detstream"

    def made(self, runtime: Runtime, dataset: Dataset | None = None, **changes: Any) -> tuple[Path, Report]:
        wanted = Int8(CLIP, dataset, images=6, **changes)
        folder = quantize.quantize("demo", card(), runtime, wanted, self.cache, lambda what, done, total: None)
        return folder, read(folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def kitchen(home: Path, monkeypatch: pytest.MonkeyPatch) -> Kitchen:
    """Measures speed with one image, and calibrates by what was calibrated already."""
    kitchen = Kitchen(home)

    def calibrate(runtime: Runtime, found: Sequence[Any]) -> Quantized:
        assert len(found) == len(images())
        kitchen.calibrated.append(runtime)
        return quantized(runtime)

    makers = {runtime: lambda graph, found, runtime=runtime: calibrate(runtime, found) for runtime in BOTH}
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(quantize, "_NETWORKS", makers)
    monkeypatch.setattr(quantize, "convert", lambda *_: graph())
    monkeypatch.setattr(quantize, "_ROUNDS", 1)
    monkeypatch.setattr(quantize, "_SHARE", Share(images=1))
    return kitchen


@pytest.fixture(scope="module")
def few() -> Dataset:
    """Six of the demo's labelled pictures."""
    whole = read_dataset(HELD_OUT / "data.yaml")
    return replace(whole, pictures=whole.pictures[::10])


@pytest.mark.parametrize("runtime", BOTH)
def test_without_data_it_is_made_whole_and_is_not_taken_for_checked(kitchen: Kitchen, runtime: Runtime) -> None:
    folder, report = kitchen.made(runtime)
    assert (report.model, report.runtime, report.input_size, report.calibration_images) == ("demo", runtime, SIZE, 6)
    assert (report.data, report.passed, report.in_float, report.gains) == (None, False, (), {})
    assert list(report.variants) == ["float", "int8"]
    assert all(each.images_s > 0 and each.ap is None for each in report.variants.values())
    sizes = [each.size or 0 for each in report.variants.values()]
    assert sizes[1] < sizes[0] / 3
    assert find(kitchen.cache, runtime, "demo", card(), passed=True) is None
    assert (
        find(kitchen.cache, runtime, "demo", card(), passed=False)
        == folder / ("model.xml", "model.onnx")[runtime == "onnx"]
    )


def test_it_is_made_once_and_again_only_if_it_is_damaged(kitchen: Kitchen) -> None:
    folder, report = kitchen.made("onnx")
    kitchen.calibrated.clear()
    assert kitchen.made("onnx") == (folder, report)
    assert kitchen.calibrated == []
    (folder / "model.onnx").write_bytes(b"half")
    assert kitchen.made("onnx")[0] == folder
    assert kitchen.calibrated == ["onnx"]


def test_other_wishes_make_another(kitchen: Kitchen) -> None:
    folder, _ = kitchen.made("onnx")
    assert kitchen.made("onnx", max_drop=3.0)[0] != folder


def test_with_data_it_is_checked_and_passes_if_it_loses_little(kitchen: Kitchen, few: Dataset) -> None:
    _, report = kitchen.made("openvino", few, max_drop=50.0)
    assert report.passed and report.in_float == () and report.data == str(few.file)
    aps = [each.ap or 0 for each in report.variants.values()]
    assert all(0 < ap <= 1 for ap in aps) and aps[0] != aps[1]


def test_what_the_search_keeps_in_float_is_what_is_written_and_measured(
    kitchen: Kitchen, few: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def select(blocks: Sequence[str], measure: Any, max_drop: float, step: Any) -> Selection:
        assert BLOCK in blocks and measure(blocks) == pytest.approx(0, abs=0.05)
        step(1, len(blocks))
        return Selection((BLOCK,), 0.2, {BLOCK: 1.5})

    monkeypatch.setattr(quantize, "select", select)
    folder, report = kitchen.made("onnx", few, max_drop=0.25)
    assert (report.in_float, report.gains, report.passed) == ((BLOCK,), {BLOCK: 1.5}, True)
    sizes = [each.size or 0 for each in report.variants.values()]
    assert list(report.variants) == ["float", "int8", "selective"]
    assert sizes[1] < sizes[2] < sizes[0]
    assert (folder / "model.onnx").stat().st_size == sizes[2]


def test_classes_of_the_data_are_compared_with_the_names_that_the_user_gave(kitchen: Kitchen, few: Dataset) -> None:
    renamed = replace(few, names=("human", "vehicle"))
    names = replace(card(), class_names=renamed.names)
    wanted = Int8(CLIP, renamed, 50.0, 6)
    folder = quantize.quantize("demo", names, "openvino", wanted, kitchen.cache, lambda *_: None)
    assert matched(names.class_names, renamed) == {0: 0, 1: 1}
    assert read(folder).passed


def test_picture_of_the_data_set_that_is_gone_is_named(kitchen: Kitchen, few: Dataset, tmp_path: Path) -> None:
    gone = replace(few, pictures=[replace(few.pictures[0], path=tmp_path / "gone.jpg")])
    with pytest.raises(SourceError, match=r"gone\.jpg can't be read"):
        kitchen.made("openvino", gone)


@pytest.mark.parametrize("package", ["nncf", "onnxruntime"])
def test_package_that_is_missing_is_named_before_anything_is_read(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda name: None if name == package else name)
    with pytest.raises(EngineError, match=rf"{package} is needed: pip install 'detstream\[int8\]'"):
        kitchen.made("onnx")
    assert kitchen.calibrated == []


@pytest.mark.parametrize("wrong", [{"max_drop": -1.0}, {"max_drop": float("nan")}, {"images": 0}])
def test_wrong_wishes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"max_drop|calibration images"):
        Int8(CLIP, **wrong)


def test_an_export_is_not_quantized(kitchen: Kitchen, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="exported already"):
        quantize.quantize(str(tmp_path / "my.onnx"), card(), "onnx", Int8(CLIP), kitchen.cache, lambda *_: None)


@pytest.mark.parametrize("format", ["openvino", "onnx"])
def test_what_is_exported_is_a_model_that_finds_the_car(kitchen: Kitchen, tmp_path: Path, format: Any) -> None:
    wanted: dict[str, Any] = {"calibration": str(CLIP), "calibration_images": 6, "imgsz": SIZE}
    path = NAS("demo").export(format, int8=True, output=tmp_path / f"demo.{format}", **wanted)
    picture = read_image(HELD_OUT / "images/car-0323.jpg")
    model_file = path / "model.xml" if format == "openvino" else path
    with NAS("demo", engine="torch", imgsz=SIZE) as before, NAS(model_file) as model:
        assert model.names == {0: "person", 1: "car"} and model.card.input_size == SIZE
        (expected,), (found,) = before(picture, conf=0.4), model(picture, conf=0.4)
    assert len(found) == len(expected) > 0
    assert found.class_name == expected.class_name
    assert abs(found.xyxy - expected.xyxy).max() < 0.03 * max(picture.shape)


def test_suppression_goes_into_the_graph_of_an_export(kitchen: Kitchen, tmp_path: Path) -> None:
    wanted: dict[str, Any] = {"calibration": str(CLIP), "calibration_images": 6, "imgsz": SIZE}
    path = NAS("demo").export("onnx", int8=True, nms=True, conf=0.4, output=tmp_path / "nms.onnx", **wanted)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = [session.run(None, {"images": image[None]})[0] for image in images()]
    assert {each.shape for each in found} == {(1, 300, 6)}
    assert max(each[0, 0, 4] for each in found) > 0.5


def test_report_is_in_the_entry_for_people_to_read(kitchen: Kitchen) -> None:
    folder, report = kitchen.made("onnx")
    assert (folder / REPORT).read_text() == report.to_json()
