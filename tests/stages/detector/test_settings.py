"""What is not set comes from the model; the engine from the machine."""

from typing import Any, Final

import pytest

from pipeline.errors import EngineError
from stages.detector import settings
from stages.detector.cuda import has_cuda
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.engines.torch import TorchEngine
from stages.detector.settings import AutoEngine, DetectorSettings
from stages.detector.yolo_nas.card import ModelCard

CARD: Final = ModelCard("n", ("car", "bus"), (96, 128), conf=0.35, iou=0.55, class_agnostic=True)


def test_thresholds_come_from_the_model() -> None:
    found = DetectorSettings().postprocess(CARD)
    assert (found.conf, found.iou, found.class_agnostic, found.classes) == (0.35, 0.55, True, None)


def test_thresholds_that_are_set_have_the_last_word_also_where_they_are_zero() -> None:
    wanted = DetectorSettings(conf=0.0, iou=0.0, class_agnostic=False, classes=("bus",), max_detections=7)
    found = wanted.postprocess(CARD)
    assert (found.conf, found.iou, found.class_agnostic, found.classes) == (0.0, 0.0, False, {1})
    assert found.max_detections == 7


@pytest.mark.parametrize(
    ("cuda", "openvino", "wanted"),
    [(True, True, "torch cuda"), (False, True, "openvino 3"), (False, False, "torch cpu")],
)
def test_the_fastest_engine_that_can_be_built_is_chosen(
    cuda: bool, openvino: bool, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_openvino(self: OpenVinoEngine, model: str, input_size: Any) -> Any:
        if not openvino:
            raise EngineError("this processor is too old")
        return f"openvino {self.streams}"

    monkeypatch.setattr(settings, "has_cuda", lambda: cuda)
    monkeypatch.setattr(OpenVinoEngine, "build", build_openvino)
    monkeypatch.setattr(TorchEngine, "build", lambda self, model, input_size: f"torch {self.device}")
    assert str(AutoEngine(streams=3).build("demo")) == wanted


def test_a_gpu_is_looked_for_without_an_error() -> None:
    assert has_cuda() in (True, False)
