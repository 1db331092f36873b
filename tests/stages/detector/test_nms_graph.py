"""Suppression in the graph gives the rows of the original, to the last bit."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from stages.detector.nms import Postprocess
from stages.detector.nms_graph import with_nms
from tests.stages.detector.test_nms import CASES, postprocess, rows


def detections(rules: Postprocess, boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a graph of nothing but suppression makes of boxes (B, A, 4) and scores (B, A, C)."""
    batch, anchors, classes = scores.shape
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", anchors, columns])
        for name, columns in (("boxes", 4), ("scores", classes))
    ]
    model = helper.make_model(
        helper.make_graph([], "suppression", ends, list(ends)),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    with_nms(model, rules, classes)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = np.asarray(session.run(None, {"boxes": boxes, "scores": scores})[0])
    assert found.shape == (batch, rules.max_detections, 6)
    return found


def filled(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows that are objects, which all come first."""
    count = int((found[:, 4] > 0).sum())
    assert not found[count:].any()
    return found[:count]


@pytest.mark.parametrize("name", [name for name in CASES if "single" not in name and name != "multi_label_off"])
def test_rows_are_those_of_the_original(shared: Path, name: str) -> None:
    with np.load(shared / "conformance" / "post_reference.npz") as reference:
        case = next(case for case in json.loads(str(reference["cases_json"])) if case["name"] == name)
        found = detections(postprocess(case), reference[f"{name}.boxes"], reference[f"{name}.scores"])
        output = "exact" if name.startswith("quirk") else "out"
        for picture in range(case["pictures"]):
            np.testing.assert_array_equal(filled(found[picture]), reference[f"{name}.{output}{picture}"])


@pytest.mark.parametrize("iou", [0.0, 0.1, 1 / 3, 0.45, 0.7, 0.95, 1.0])
def test_overlaps_on_the_edge_are_decided_as_ours_are(iou: float) -> None:
    # Widths from 1 to 400 beside a box of 400: overlaps of exactly i / 400, many of which round to the threshold.
    widths = np.arange(400, 0, -1, dtype=np.float32)
    boxes = np.zeros((1, 400, 4), np.float32)
    boxes[0, :, 2], boxes[0, :, 3] = widths, 1
    scores = np.linspace(0.9, 0.5, 400, dtype=np.float32)[None, :, None]
    rules = Postprocess(0.25, iou)
    np.testing.assert_array_equal(filled(detections(rules, boxes, scores)[0]), rows(rules(boxes[0], scores[0])))


def test_scores_that_are_not_numbers_are_no_objects() -> None:
    scores = np.full((1, 5, 2), np.nan, np.float32)
    assert not detections(Postprocess(0.25, 0.7), np.ones((1, 5, 4), np.float32), scores).any()
