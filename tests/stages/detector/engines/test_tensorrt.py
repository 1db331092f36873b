from pathlib import Path

import onnxruntime
import pytest

from pipeline.errors import EngineError
from stages.detector.engines.tensorrt import TensorRtEngine
from stages.detector.yolo_nas.card import ModelCard


@pytest.mark.skipif("TensorrtExecutionProvider" in onnxruntime.get_available_providers(), reason="it knows TensorRT")
def test_runtime_without_tensorrt_is_one_line_with_what_to_install(small_model: str) -> None:
    with pytest.raises(EngineError, match=r"pip install 'detstream\[onnx-gpu\]' tensorrt"):
        TensorRtEngine().build(small_model)


def test_one_engine_serves_all_batches_and_is_kept(tmp_path: Path) -> None:
    card = ModelCard("n", ("car",), (96, 128))
    (name, options), *others = TensorRtEngine(half=True).providers(card, 8, tmp_path)
    assert name == "TensorrtExecutionProvider"
    assert [other for other, _ in others] == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert options["trt_profile_min_shapes"] == "images:1x96x128x3"
    assert options["trt_profile_max_shapes"] == "images:8x96x128x3"
    assert options["trt_engine_cache_path"] == options["trt_timing_cache_path"] == str(tmp_path)
    assert options["trt_fp16_enable"] == options["trt_engine_cache_enable"] == "True"


def test_engines_of_other_weights_are_kept_apart(tmp_path: Path) -> None:
    settings = TensorRtEngine(cache_dir=tmp_path / "cache")
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.onnx").write_text(folder)
    one, two = (settings._kept(tmp_path / folder / "model.onnx") for folder in ("one", "two"))
    assert one != two and one.is_dir() and two.is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="can't be written"):
        TensorRtEngine(cache_dir=tmp_path / "file")._kept(tmp_path / "one" / "model.onnx")
