import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from detstream import NAS
from pipeline.errors import ConfigError, ModelError


def test_model_is_exported_in_ultralytics_words_and_is_a_model_again(tmp_path: Path) -> None:
    path = NAS("random:n", imgsz=96, names=[f"thing {i}" for i in range(80)]).export(
        format="onnx", half=False, nms=False, dynamic=True, output=tmp_path / "things.onnx"
    )
    strings = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_modelmeta().custom_metadata_map
    assert json.loads(strings["class_names"])[7] == "thing 7"
    with NAS(path, imgsz=(64, 96)) as again:
        assert again.names[79] == "thing 79"
        assert again.engine.startswith("onnxruntime")
        assert len(again(np.zeros((50, 70, 3), np.uint8), conf=0.9)) == 1


def test_size_that_an_exported_model_has_not_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = NAS("random:n", imgsz=64).export(output=tmp_path / "small.onnx")
    with NAS(path, imgsz=96) as model, pytest.raises(ModelError, match=r"exported for another size.*--dynamic"):
        model(np.zeros((50, 70, 3), np.uint8))


def test_wrong_wish_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nms: only with format onnx"):
        NAS("demo").export("openvino", nms=True, output=tmp_path / "demo")
