from typing import NoReturn

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from pipeline.errors import EngineError
from stages.detector.engines.torch import TorchEngine, TorchInference
from stages.detector.yolo_nas.card import ModelCard
from stages.detector.yolo_nas.fuse import fused
from stages.detector.yolo_nas.half import halved
from stages.detector.yolo_nas.model import YoloNas
from stages.detector.yolo_nas.weights import load_model


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


def test_float16_needs_a_gpu(small_model: str) -> None:
    with pytest.raises(EngineError, match="half: true needs a GPU"):
        TorchEngine(device="cpu", half=True).build(small_model)


class Failing(nn.Module):
    """A network that raises what it is told."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, images: torch.Tensor) -> NoReturn:
        raise self.error


def failing(error: Exception) -> TorchInference:
    return TorchInference(Failing(error), ModelCard("s", ("car",), (64, 96)), "cpu", 4)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has …"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: not enough memory: you tried…"
        ),
        MemoryError(),
    ],
    ids=["gpu", "cpu", "numpy"],
)
def test_too_little_memory_is_said_with_what_to_do(error: Exception) -> None:
    engine = failing(error)
    with pytest.raises(EngineError) as caught:
        engine.warm_up()
    assert str(caught.value) == (
        "YOLO-NAS S at 64x96, 4 images at once, on cpu: not enough memory: "
        "choose a smaller --imgsz, a smaller model or a smaller detector.engine.max_batch"
    )
    with pytest.raises(EngineError, match="closed"):
        engine.submit([])


def test_what_torch_raises_is_an_error_of_the_engine_in_one_line() -> None:
    engine = failing(RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might …"))
    answer = engine.submit([np.zeros((64, 96, 3), np.uint8)])
    with pytest.raises(EngineError, match=r"on cpu: CUDA error: an illegal memory access was encountered$"):
        answer.result()
    engine.close()


def test_a_model_that_does_not_fit_into_memory_is_an_error_when_it_is_built(
    small_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(self: YoloNas, images: torch.Tensor) -> torch.Tensor:
        return torch.empty(1 << 60, dtype=torch.uint8)  # torch's own words

    monkeypatch.setattr(YoloNas, "forward", forward)
    with pytest.raises(EngineError, match=r"YOLO-NAS N at 96x128, 1 images at once, on cpu: not enough memory"):
        TorchEngine(device="cpu").build(small_model)


def test_float16_gives_nearly_the_same(small_model: str) -> None:
    """What a GPU computes, on the CPU: no setting asks for that, as it is slower there."""
    network, card = load_model(small_model)
    images = list(np.random.default_rng(0).integers(0, 256, (2, *card.input_size, 3), np.uint8))
    whole = TorchInference(fused(network), card, "cpu", 2)
    half = TorchInference(halved(fused(network)), card, "cpu", 2, half=True)
    assert half.name == "torch cpu, float16"
    for ours, theirs in zip(half.submit(images).result(), whole.submit(images).result(), strict=True):
        assert {ours.boxes.dtype, ours.scores.dtype} == {np.dtype(np.float32)}
        np.testing.assert_allclose(ours.boxes, theirs.boxes, rtol=0, atol=0.5)
        np.testing.assert_allclose(ours.scores, theirs.scores, rtol=0, atol=0.02)
    half.close()
    whole.close()
