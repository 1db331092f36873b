import pytest
import torch
from pydantic import ValidationError

from pipeline.errors import EngineError
from stages.detector.engines.torch import TorchEngine


def test_cpu_takes_one_image_at_a_time_unless_told_otherwise(small_model: str) -> None:
    engine = TorchEngine(device="cpu").build(small_model)
    assert (engine.name, engine.max_batch) == ("torch cpu", 1)
    engine.close()


def test_number_of_threads_is_a_setting(small_model: str) -> None:
    before = torch.get_num_threads()
    TorchEngine(device="cpu", threads=2).build(small_model).close()
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_that_is_not_there_is_an_error_and_auto_takes_the_cpu(small_model: str) -> None:
    with pytest.raises(EngineError, match="no CUDA GPU"):
        TorchEngine(device="cuda").build(small_model)
    engine = TorchEngine().build(small_model)
    assert engine.name == "torch cpu"
    engine.close()


def test_other_devices_are_refused() -> None:
    with pytest.raises(ValidationError):
        TorchEngine.model_validate({"kind": "torch", "device": "tpu"})
