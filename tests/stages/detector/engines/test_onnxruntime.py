import sys
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline.errors import EngineError
from stages.detector import onnx_session
from stages.detector.cores import usable_cores
from stages.detector.engines.onnxruntime import OnnxRuntimeEngine

ROOT = Path(__file__).parents[4]
DEADLINE_S = 60

SECOND_START = """
import hashlib, sys
from pathlib import Path
import numpy as np
from stages.detector.engines.onnxruntime import OnnxRuntimeEngine
engine = OnnxRuntimeEngine(streams=int(sys.argv[3]), device="cpu", cache_dir=Path(sys.argv[1])).build(sys.argv[2])
images = np.random.default_rng(0).integers(0, 256, (6, 96, 128, 3), np.uint8)
futures = [engine.submit([image]) for image in images]
digest = hashlib.sha256()
for future in futures:
    raw = future.result(60)[0]
    digest.update(raw.boxes.tobytes() + raw.scores.tobytes())
assert not {"torch", "onnx"} & set(sys.modules), "a second start must need neither torch nor onnx"
print(digest.hexdigest())
engine.close()
"""


def test_results_are_the_same_to_the_last_bit_in_every_process_and_with_any_number_of_streams(
    converted_models: Path, small_model: str
) -> None:
    OnnxRuntimeEngine(device="cpu", streams=1, cache_dir=converted_models).build(small_model).close()
    commands = [[sys.executable, "-c", SECOND_START, str(converted_models), small_model, str(n)] for n in (1, 3)]
    processes = [Popen(command, cwd=ROOT, stdout=PIPE, text=True) for command in commands]
    digests = [process.communicate(timeout=DEADLINE_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert digests[0] == digests[1] != ""


def test_stream_per_core_and_single_images_unless_told_otherwise(converted_models: Path, small_model: str) -> None:
    engine = OnnxRuntimeEngine(device="cpu", cache_dir=converted_models).build(small_model)
    assert (engine.in_flight, engine.max_batch) == (usable_cores() + 1, 1)
    engine.close()


def test_failed_inference_fails_its_future_only(converted_models: Path, small_model: str) -> None:
    engine = OnnxRuntimeEngine(device="cpu", streams=1, cache_dir=converted_models).build(small_model)
    card = engine.card
    engine._card = type(card)(card.layout, card.class_names, (64, 64))  # lets an image pass that the network refuses
    wrong: NDArray[np.uint8] = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(EngineError, match=r"ONNX Runtime failed on 1 images: .*nvalid dimensions"):
        engine.submit([wrong]).result(DEADLINE_S)
    engine._card = card
    assert len(engine.submit([np.zeros((96, 128, 3), np.uint8)]).result(DEADLINE_S)) == 1
    engine.close()


def test_closed_engine_holds_no_session(converted_models: Path, small_model: str) -> None:
    engine = OnnxRuntimeEngine(device="cpu", streams=1, cache_dir=converted_models).build(small_model)
    engine.close()
    assert engine._session is None


def test_warm_up_runs_the_largest_batch(converted_models: Path, small_model: str) -> None:
    engine = OnnxRuntimeEngine(device="cpu", max_batch=3, cache_dir=converted_models).build(small_model)
    engine.warm_up()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.warm_up()


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="it knows CUDA")
def test_gpu_that_it_can_not_use_is_an_error_and_auto_takes_the_cpu(converted_models: Path, small_model: str) -> None:
    with pytest.raises(EngineError, match=r"for CPUs: pip install 'detstream\[onnx-gpu\]'"):
        OnnxRuntimeEngine(device="cuda").build(small_model)
    engine = OnnxRuntimeEngine(cache_dir=converted_models).build(small_model)
    assert engine.name.startswith("onnxruntime cpu")
    engine.close()


def test_half_needs_a_gpu(small_model: str) -> None:
    with pytest.raises(EngineError, match="half: true needs a GPU"):
        OnnxRuntimeEngine(device="cpu", half=True).build(small_model)


def test_missing_package_is_one_line_with_the_extra_to_install(
    small_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_session, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"isn't installed: pip install 'detstream\[onnx\]'"):
        OnnxRuntimeEngine().build(small_model)


def test_other_devices_are_refused() -> None:
    with pytest.raises(ValidationError):
        OnnxRuntimeEngine.model_validate({"kind": "onnxruntime", "device": "tpu"})


def test_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"\x08\x08")
    with pytest.raises(EngineError, match=r"can't load .*broken\.onnx"):
        onnx_session.open_session(path, [("CPUExecutionProvider", {})])
