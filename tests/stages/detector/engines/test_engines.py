"""What every engine must do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.errors import EngineError, ModelError
from stages.detector.engine import Engine, RawBoxes
from stages.detector.engines.null import NullEngine
from stages.detector.engines.onnxruntime import OnnxRuntimeEngine
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.engines.torch import TorchEngine
from stages.detector.letterbox import Letterbox
from stages.detector.settings import EngineSettings
from stages.detector.yolo_nas.weights import load

HEIGHT, WIDTH = 96, 128
DEADLINE_S = 60
BOX_TOLERANCE = 5e-3
SCORE_TOLERANCE = 2e-5

Build = Callable[..., Engine]


@pytest.fixture(scope="module", params=["openvino", "openvino latency", "torch", "onnxruntime", "null"])
def build(request: pytest.FixtureRequest, converted_models: Path) -> Build:
    settings: dict[str, EngineSettings] = {
        "openvino": OpenVinoEngine(streams=2, cache_dir=converted_models),
        "openvino latency": OpenVinoEngine(hint="latency", streams=2, cache_dir=converted_models),
        "torch": TorchEngine(device="cpu", max_batch=16),
        "onnxruntime": OnnxRuntimeEngine(device="cpu", streams=2, max_batch=16, cache_dir=converted_models),
        "null": NullEngine(max_batch=4),
    }
    return settings[request.param].build


@pytest.fixture(scope="module")
def engine(build: Build, small_model: str) -> Iterator[Engine]:
    built = build(small_model)
    yield built
    built.close()


@pytest.fixture(scope="module")
def images() -> list[NDArray[np.uint8]]:
    return list(np.random.default_rng(0).integers(0, 256, (4, HEIGHT, WIDTH, 3), np.uint8))


def results(engine: Engine, images: list[NDArray[np.uint8]]) -> list[RawBoxes]:
    """Return the results of images, submitted in batches of any size that the engine takes."""
    step = engine.max_batch
    futures = [engine.submit(images[i : i + step]) for i in range(0, len(images), step)]
    return [raw for future in futures for raw in future.result(DEADLINE_S)]


def test_card_is_that_of_the_model(engine: Engine) -> None:
    assert engine.card.class_names == ("car", "bus", "truck")
    assert engine.card.input_size == (HEIGHT, WIDTH)


def test_every_engine_says_what_it_is_and_how_much_it_takes(engine: Engine) -> None:
    assert engine.name.split()[0] in {"openvino", "torch", "onnxruntime", "null"}
    assert engine.max_batch >= 1 and engine.in_flight >= 1


def test_results_have_the_promised_shapes_and_types(engine: Engine, images: list[NDArray[np.uint8]]) -> None:
    anchors = HEIGHT * WIDTH // 64 + HEIGHT * WIDTH // 256 + HEIGHT * WIDTH // 1024
    for raw in results(engine, images):
        assert raw.boxes.shape == (anchors, 4)
        assert raw.scores.shape == (anchors, 3)
        assert {raw.boxes.dtype.name, raw.scores.dtype.name} == {"float32"}


def test_boxes_and_scores_are_those_of_the_unfused_network(
    engine: Engine, images: list[NDArray[np.uint8]], small_model: str
) -> None:
    if engine.name == "null":
        pytest.skip("it has no network")
    network, _ = load(Path(small_model))
    rgb = np.stack(images)[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    with torch.inference_mode():
        boxes, scores = network(torch.from_numpy(rgb))
    for i, raw in enumerate(results(engine, images)):
        np.testing.assert_allclose(raw.boxes, boxes[i], rtol=0, atol=BOX_TOLERANCE)
        np.testing.assert_allclose(raw.scores, scores[i], rtol=0, atol=SCORE_TOLERANCE)


@pytest.mark.parametrize("count", range(17))
def test_every_batch_gives_one_result_per_image(engine: Engine, images: list[NDArray[np.uint8]], count: int) -> None:
    batch = (images * 4)[:count]
    if count > engine.max_batch:
        with pytest.raises(EngineError, match=f"batch of {count}"):
            engine.submit(batch)
        found = results(engine, batch)
    else:
        found = engine.submit(batch).result(DEADLINE_S)
    assert len(found) == count
    for i, raw in enumerate(found):
        np.testing.assert_allclose(raw.boxes, results(engine, [images[i % 4]])[0].boxes, rtol=0, atol=BOX_TOLERANCE)


def test_batch_may_mix_frames_of_sources_of_any_size(engine: Engine) -> None:
    random, letterbox = np.random.default_rng(1), Letterbox((HEIGHT, WIDTH))
    frames = [random.integers(0, 256, (*size, 3), np.uint8) for size in ((432, 768), (300, 100), (30, 40))]
    canvases = [letterbox.apply(frame, frame.shape[1], frame.shape[0]) for frame in frames]
    for canvas, together in zip(canvases, results(engine, canvases), strict=True):
        (alone,) = results(engine, [canvas])
        np.testing.assert_allclose(together.boxes, alone.boxes, rtol=0, atol=BOX_TOLERANCE)
        np.testing.assert_allclose(together.scores, alone.scores, rtol=0, atol=SCORE_TOLERANCE)


def test_results_of_one_submit_are_not_overwritten_by_the_next(engine: Engine, images: list[NDArray[np.uint8]]) -> None:
    first = engine.submit(images[:1]).result(DEADLINE_S)[0]
    boxes, scores = first.boxes.copy(), first.scores.copy()
    results(engine, images * 2)
    np.testing.assert_array_equal(first.boxes, boxes)
    np.testing.assert_array_equal(first.scores, scores)


def test_as_many_submits_as_promised_are_outstanding_at_once(engine: Engine, images: list[NDArray[np.uint8]]) -> None:
    futures = [engine.submit(images[i % 4 : i % 4 + 1]) for i in range(engine.in_flight)]
    alone = [results(engine, [image])[0] for image in images]
    for i, future in enumerate(futures):
        np.testing.assert_array_equal(future.result(DEADLINE_S)[0].boxes, alone[i % 4].boxes)


@pytest.mark.parametrize(
    "image",
    [np.zeros((WIDTH, HEIGHT, 3), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT, WIDTH, 3))],
    ids=["other size", "grey", "float"],
)
def test_other_images_than_the_network_takes_are_refused(engine: Engine, image: NDArray[np.uint8]) -> None:
    with pytest.raises(EngineError, match=r"uint8 images of shape \(96, 128, 3\)"):
        engine.submit([image])


def test_image_that_is_a_view_of_another_is_taken(engine: Engine, images: list[NDArray[np.uint8]]) -> None:
    wide = np.concatenate([images[0], images[1]], axis=1)
    np.testing.assert_array_equal(results(engine, [wide[:, :WIDTH]])[0].scores, results(engine, [images[0]])[0].scores)


def test_input_size_can_be_another_than_the_cards(build: Build, small_model: str) -> None:
    engine = build(small_model, (64, 64))
    assert engine.card.input_size == (64, 64)
    assert len(engine.submit([np.zeros((64, 64, 3), np.uint8)]).result(DEADLINE_S)[0].boxes) == 84
    engine.close()


def test_closed_engine_refuses_work_and_closing_again_is_harmless(
    build: Build, small_model: str, images: list[NDArray[np.uint8]]
) -> None:
    engine = build(small_model)
    running = engine.submit(images[:1])
    engine.close()
    assert running.done()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.submit(images[:1])


def test_missing_model_is_named(build: Build, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weights file .*none\.safetensors"):
        build(str(tmp_path / "none.safetensors"))
