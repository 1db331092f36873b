"""Around the engine: canvases of its size in, boxes inside the frame out, rounded once and for all."""

import json
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.frame import Frame
from pipeline.messages import FrameMeta
from stages.detector.engine import RawBoxes
from stages.detector.finder import Finder, class_ids
from stages.detector.nms import Postprocess
from stages.detector.yolo_nas.card import ModelCard

CARD: Final = ModelCard("n", ("car", "bus", "7"), (96, 128))


def frame(width: int, height: int) -> Frame:
    return Frame(FrameMeta("a", 1, 0, 0.0, width, height), np.zeros((8, 8, 3), np.uint8))


def finder(**rules: object) -> Finder:
    return Finder(CARD, Postprocess(0.25, 0.7, **rules))  # type: ignore[arg-type]


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_canvas_has_the_size_of_the_networks_input_whatever_the_frame(width: int, height: int) -> None:
    canvas = finder().canvas(frame(width, height))
    assert canvas.shape == (96, 128, 3) and canvas.dtype == np.uint8


numbers = st.floats(-500, 500, width=32)


@given(st.integers(1, 3000), st.integers(1, 3000), st.lists(st.tuples(*[numbers] * 4), min_size=1, max_size=20))
def test_boxes_lie_inside_the_frame_and_survive_a_file(
    width: int, height: int, boxes: list[tuple[float, float, float, float]]
) -> None:
    scores = np.linspace(0.3, 0.9, 3 * len(boxes), dtype=np.float32).reshape(-1, 3)
    found = finder().find(frame(width, height), RawBoxes(np.array(boxes, np.float32), scores), 5)
    assert (found.xyxy >= 0).all() and (found.xyxy <= [width, height, width, height]).all()
    assert found.xyxy.dtype == found.confidence.dtype == np.float32
    assert (np.diff(found.confidence) <= 0).all()
    text = json.dumps([found.xyxy.astype(float).round(2).tolist(), found.confidence.astype(float).round(4).tolist()])
    xyxy, confidence = json.loads(text)
    assert (np.array(xyxy, np.float32).reshape(-1, 4) == found.xyxy).all()
    assert (np.array(confidence, np.float32) == found.confidence).all()


def test_a_detection_names_its_class_and_has_no_track_yet() -> None:
    scores = np.array([[0.0, 0.8, 0.0]], np.float32)
    found = finder().find(frame(124, 92), RawBoxes(np.array([[2, 2, 12, 22]], np.float32), scores), 5)
    assert found.xyxy.tolist() == [[0, 0, 10, 20]]
    assert (found.class_id.tolist(), found.class_name, found.tracker_id.tolist()) == ([1], ("bus",), [-1])
    assert (found.confidence.tolist(), found.inferred_ns) == ([pytest.approx(0.8)], 5)


def test_a_frame_without_objects_has_empty_arrays_of_the_right_shape() -> None:
    found = finder().find(frame(10, 10), RawBoxes(np.zeros((1, 4), np.float32), np.zeros((1, 3), np.float32)), 5)
    assert (found.xyxy.shape, found.class_id.shape, found.class_name) == ((0, 4), (0,), ())


def test_classes_are_wanted_by_name_or_number() -> None:
    assert class_ids(None, CARD) is None
    assert class_ids([], CARD) == frozenset()
    assert class_ids(["bus", 0, "1"], CARD) == frozenset({0, 1})
    assert class_ids(["7"], CARD) == frozenset({2})  # a name that looks like a number is a name


@pytest.mark.parametrize("wrong", ["zebra", 3, "3", -1, "-1", "", "²", "1.0"])
def test_a_class_that_the_model_has_not_is_named_with_those_it_has(wrong: int | str) -> None:
    with pytest.raises(ConfigError) as caught:
        class_ids([wrong], CARD)
    assert str(caught.value) == f"classes: the model has no class {wrong!r}; it has: 0 car, 1 bus, 2 7"


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_boxes_that_are_no_numbers_fail_their_frame(number: float) -> None:
    boxes = np.array([[2, 2, number, 22]], np.float32)
    found = finder().find(frame(124, 92), RawBoxes(boxes, np.array([[0.0, 0.8, 0.0]], np.float32)), 5)
    assert len(found) == 0
    assert found.error == "the network's boxes are no numbers: its weights are damaged"
