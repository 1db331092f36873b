import numpy as np

from stages.detector.engines.null import NullEngine
from stages.detector.nms import Postprocess


def test_as_many_objects_as_asked_for_survive_suppression(small_model: str) -> None:
    engine = NullEngine(objects=7).build(small_model)
    raw = engine.submit([np.zeros((96, 128, 3), np.uint8)]).result(0)[0]
    found = Postprocess(0.25, 0.7, class_agnostic=True)(raw.boxes, raw.scores)
    assert len(found.xyxy) == 7
    assert (found.xyxy[:, :2] >= 0).all() and (found.xyxy[:, 2:] <= [128, 96]).all()


def test_outputs_of_a_random_model_are_as_large_as_the_networks() -> None:
    engine = NullEngine().build("random:s")
    raw = engine.submit([np.zeros((640, 640, 3), np.uint8)]).result(0)[0]
    assert (raw.boxes.shape, raw.scores.shape) == ((8400, 4), (8400, 80))
