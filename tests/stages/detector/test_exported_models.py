"""What is exported runs without detstream, and gives the boxes that detstream gives."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import ModelError
from stages.detector.engine import Engine, RawBoxes
from stages.detector.engines.onnxruntime import OnnxRuntimeEngine
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.engines.torch import TorchEngine
from stages.detector.export import Export, export
from stages.detector.nms import Postprocess
from stages.detector.settings import AutoEngine
from stages.detector.yolo_nas.card import read_card
from tests.stages.detector.reference import BOX_TOLERANCE, SCORE_TOLERANCE

HALF_BOX_TOLERANCE: Final = 0.5
HALF_SCORE_TOLERANCE: Final = 5e-3
DEADLINE_S: Final = 60

ONNX_ALONE = """
import sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
found = session.run(None, {"images": np.load(sys.argv[2])})
np.savez(sys.argv[3], **{output.name: value for output, value in zip(session.get_outputs(), found, strict=True)})
"""
OPENVINO_ALONE = """
import sys
import numpy as np, openvino
model = openvino.Core().compile_model(sys.argv[1], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
found = [model(image[None]) for image in np.load(sys.argv[2])]
np.savez(sys.argv[3], boxes=np.concatenate([f[0] for f in found]), scores=np.concatenate([f[1] for f in found]))
"""

Images = NDArray[np.uint8]


@pytest.fixture(scope="module")
def images() -> Images:
    return np.random.default_rng(0).integers(0, 256, (3, 96, 128, 3), np.uint8)


@pytest.fixture(scope="module")
def ours(small_model: str) -> Iterator[Engine]:
    engine = TorchEngine(device="cpu", max_batch=4).build(small_model)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def any_size(small_model: str, folder: Path) -> Path:
    return export(small_model, Export(dynamic=True), folder / "any.onnx")


@pytest.fixture(scope="module")
def single(small_model: str, folder: Path) -> Path:
    return export(small_model, Export(), folder / "single.onnx")


@pytest.fixture(scope="module")
def ir(small_model: str, folder: Path) -> Path:
    return export(small_model, Export("openvino"), folder / "ir") / "model.xml"


def raw(engine: Engine, images: Images) -> list[RawBoxes]:
    return engine.submit(list(images)).result(DEADLINE_S)


def run_alone(script: str, model: Path, images: Images, folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return the outputs of a model in a process that can't import detstream."""
    np.save(folder / "images.npy", images)
    command = [sys.executable, "-I", "-c", script, str(model), str(folder / "images.npy"), str(folder / "found.npz")]
    subprocess.run(command, cwd=folder, timeout=DEADLINE_S, check=True)
    with np.load(folder / "found.npz") as found:
        return dict(found)


def assert_same(found: dict[str, NDArray[np.float32]], expected: list[RawBoxes], *, half: bool = False) -> None:
    boxes, scores = (np.stack([getattr(one, name) for one in expected]) for name in ("boxes", "scores"))
    box, score = (HALF_BOX_TOLERANCE, HALF_SCORE_TOLERANCE) if half else (BOX_TOLERANCE, SCORE_TOLERANCE)
    np.testing.assert_allclose(found["boxes"], boxes, rtol=0, atol=box)
    np.testing.assert_allclose(found["scores"], scores, rtol=0, atol=score)


def test_onnx_file_gives_our_boxes_by_onnxruntime_alone(
    any_size: Path, images: Images, ours: Engine, tmp_path: Path
) -> None:
    assert_same(run_alone(ONNX_ALONE, any_size, images, tmp_path), raw(ours, images))


def test_ir_gives_our_boxes_by_openvino_alone(ir: Path, images: Images, ours: Engine, tmp_path: Path) -> None:
    assert_same(run_alone(OPENVINO_ALONE, ir, images, tmp_path), raw(ours, images))


def test_half_gives_our_boxes_within_half_a_pixel(
    small_model: str, images: Images, ours: Engine, tmp_path: Path
) -> None:
    path = export(small_model, Export(half=True), tmp_path / "half.onnx")
    assert path.stat().st_size < 0.6 * Path(small_model).stat().st_size
    assert_same(run_alone(ONNX_ALONE, path, images[:1], tmp_path), raw(ours, images[:1]), half=True)


def test_suppression_in_the_graph_finds_what_ours_finds(
    any_size: Path, small_model: str, images: Images, tmp_path: Path
) -> None:
    outputs = run_alone(ONNX_ALONE, any_size, images, tmp_path)
    middle = float(np.median(outputs["scores"]))
    wanted = Export(nms=True, dynamic=True, conf=middle, iou=0.5)
    found = run_alone(ONNX_ALONE, export(small_model, wanted, tmp_path / "nms.onnx"), images, tmp_path)["detections"]
    assert found.shape == (3, 300, 6)
    for picture, boxes, scores in zip(found, outputs["boxes"], outputs["scores"], strict=True):
        expected = Postprocess(middle, 0.5)(boxes, scores)
        count = len(expected.confidence)
        assert count > 3 and not picture[count:].any()
        np.testing.assert_array_equal(picture[:count, :4], expected.xyxy)
        np.testing.assert_array_equal(picture[:count, 4], expected.confidence)
        np.testing.assert_array_equal(picture[:count, 5], expected.class_id)


def test_exported_model_is_a_model_with_the_same_card(any_size: Path, ir: Path, small_model: str) -> None:
    assert read_card(str(any_size)) == read_card(str(ir)) == read_card(small_model)


def test_exported_model_runs_on_its_engine(
    any_size: Path, single: Path, ir: Path, images: Images, ours: Engine
) -> None:
    for model, most in ((any_size, 3), (single, 1), (ir, 1)):
        settings = OpenVinoEngine(streams=1) if model is ir else OnnxRuntimeEngine(device="cpu", streams=1, max_batch=3)
        engine = settings.build(str(model))
        assert engine.max_batch == most
        found = raw(engine, images[:most])
        assert_same(
            {name: np.stack([getattr(one, name) for one in found]) for name in ("boxes", "scores")},
            raw(ours, images[:most]),
        )
        engine.close()


def test_automatic_choice_is_the_engine_of_the_file(any_size: Path, ir: Path) -> None:
    for model, name in ((any_size, "onnxruntime"), (ir, "openvino")):
        engine = AutoEngine(streams=1).build(str(model))
        assert engine.name.startswith(name)
        engine.close()


def test_any_size_is_taken_if_exported_so_and_only_then(
    any_size: Path, single: Path, ir: Path, small_model: str
) -> None:
    image = np.random.default_rng(1).integers(0, 256, (1, 160, 64, 3), np.uint8)
    engine, ours = (
        settings.build(str(model), (160, 64))
        for settings, model in ((OnnxRuntimeEngine(device="cpu"), any_size), (TorchEngine(device="cpu"), small_model))
    )
    (found,) = raw(engine, image)
    assert_same({"boxes": found.boxes[None], "scores": found.scores[None]}, raw(ours, image))
    engine.close()
    ours.close()
    for settings, model in ((OnnxRuntimeEngine(device="cpu"), single), (OpenVinoEngine(), ir)):
        with pytest.raises(ModelError, match="exported for another size"):
            settings.build(str(model), (160, 64))


def test_other_engines_name_the_one_that_runs_it(any_size: Path) -> None:
    for settings in (TorchEngine(device="cpu"), OpenVinoEngine()):
        with pytest.raises(ModelError, match=r"exported model: openvino runs an \.xml, onnxruntime and tensorrt an"):
            settings.build(str(any_size))


def test_openvino_takes_any_batch_and_size_if_asked(
    small_model: str, images: Images, ours: Engine, tmp_path: Path
) -> None:
    folder = export(small_model, Export("openvino", dynamic=True, half=True), tmp_path / "any")
    assert sorted(path.name for path in folder.iterdir()) == ["model.bin", "model.xml"]
    import openvino

    model = openvino.Core().compile_model(folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    boxes, scores = (model(images)[i] for i in range(2))
    assert_same({"boxes": boxes, "scores": scores}, raw(ours, images), half=True)
    assert model(np.zeros((1, 64, 64, 3), np.uint8))[0].shape == (1, 84, 4)


def test_class_names_can_be_read_by_any_program(single: Path) -> None:
    import onnxruntime

    strings = (
        onnxruntime.InferenceSession(single, providers=["CPUExecutionProvider"]).get_modelmeta().custom_metadata_map
    )
    assert json.loads(strings["class_names"]) == ["car", "bus", "truck"]
    assert strings["input"] == "uint8 BGR (B, H, W, 3)"


def test_exported_model_is_not_exported_again(single: Path) -> None:
    with pytest.raises(ModelError, match="exported already"):
        export(str(single), Export())
