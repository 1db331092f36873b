"""Leaving out anchors changes nothing of what is found."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.detector.engine import RawBoxes, narrowed
from stages.detector.engines.null import NullEngine
from stages.detector.engines.torch import NarrowTorchInference, TorchEngine, TorchInference
from stages.detector.letterbox import Letterbox
from stages.detector.nms import Found, Postprocess
from stages.detector.wanted import Wanted
from tests.stages.detector.test_nms import CASES, postprocess, rows

CLIP: Final = Path("demo/car-park.mp4")
EVERY: Final = 60


@pytest.fixture(scope="module")
def engine() -> Iterator[TorchInference]:
    built = TorchEngine(device="cpu", max_batch=16).build("demo")
    yield built
    built.close()


@pytest.fixture(scope="module")
def images(engine: TorchInference) -> list[NDArray[np.uint8]]:
    letterbox = Letterbox(engine.card.input_size)
    with av.open(str(CLIP)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in list(container.decode(video=0))[::EVERY]]
    return [letterbox.apply(np.asarray(frame, np.uint8), frame.shape[1], frame.shape[0]) for frame in frames]


@pytest.fixture(scope="module")
def whole(engine: TorchInference, images: list[NDArray[np.uint8]]) -> list[RawBoxes]:
    return engine.submit(images).result()


def same(left: Found, right: Found) -> None:
    for ours, theirs in ((left.xyxy, right.xyxy), (left.confidence, right.confidence), (left.class_id, right.class_id)):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("classes", [None, {0}, {1}, {0, 1}])
@pytest.mark.parametrize("top_k", [5, 100, 1000, 1024, 5000])
@pytest.mark.parametrize("agnostic", [False, True])
def test_of_a_networks_answers_the_same_is_found(
    engine: TorchInference,
    images: list[NDArray[np.uint8]],
    whole: list[RawBoxes],
    classes: set[int] | None,
    top_k: int,
    agnostic: bool,
) -> None:
    """With a threshold of zero, so that all anchors are candidates."""
    rules = Postprocess(0.0, 0.7, top_k, 300, class_agnostic=agnostic, classes=classes)
    narrow = NarrowTorchInference(engine, Wanted(top_k, None if classes is None else tuple(sorted(classes))))
    found = narrow.submit(images).result()
    for part, all_ in zip(found, whole, strict=True):
        assert len(part.boxes) == len(part.scores) == min(top_k, len(all_.boxes))
        same(rules(part.boxes, part.scores), rules(all_.boxes, all_.scores))


@pytest.mark.parametrize("name", CASES)
def test_of_the_reference_cases_the_same_is_found(shared: Path, name: str) -> None:
    with np.load(shared / "conformance" / "post_reference.npz") as reference:
        case = next(case for case in json.loads(str(reference["cases_json"])) if case["name"] == name)
        boxes, scores = reference[f"{name}.boxes"], reference[f"{name}.scores"]
    if not case["multi_label_per_box"] or not boxes.shape[1]:
        pytest.skip("one class an anchor is not narrowed")
    rules = postprocess(case)
    few = Wanted(rules.top_k, None).pick(torch.from_numpy(boxes), torch.from_numpy(scores))
    for picture, (some_boxes, some_scores) in enumerate(zip(*few, strict=True)):
        ours = rules(some_boxes.numpy(), some_scores.numpy())
        np.testing.assert_array_equal(rows(ours), rows(rules(boxes[picture], scores[picture])))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 5), st.integers(1, 12), st.integers(0, 5))
def test_ties_are_resolved_as_before(seed: int, anchors: int, classes: int, top_k: int, wanted: int) -> None:
    """Scores of four values only, so that many are equal."""
    random = np.random.default_rng(seed)
    boxes = random.uniform(0, 99, (1, anchors, 4)).astype(np.float32)
    scores = (random.integers(0, 4, (1, anchors, classes)) / 4).astype(np.float32)
    chosen = tuple(range(min(wanted, classes))) or None
    rules = Postprocess(0.1, 1.0, top_k, 300, classes=chosen)
    few_boxes, few_scores = Wanted(top_k, chosen).pick(torch.from_numpy(boxes), torch.from_numpy(scores))
    same(rules(few_boxes[0].numpy(), few_scores[0].numpy()), rules(boxes[0], scores[0]))


def test_what_a_cpu_has_computed_is_handed_out_as_it_is(engine: TorchInference) -> None:
    assert narrowed(engine, 100, None) is engine
    null = NullEngine().build("demo")
    assert narrowed(null, 100, None) is null


def test_a_narrow_engine_is_the_same_engine(engine: TorchInference) -> None:
    narrow = NarrowTorchInference(engine, Wanted(7, None))
    told = (narrow.name, narrow.card, narrow.max_batch, narrow.in_flight)
    assert told == (engine.name, engine.card, engine.max_batch, engine.in_flight)
    assert narrow.submit([]).result() == []
