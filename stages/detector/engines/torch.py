"""PyTorch: on a GPU where there is one, or on the CPU."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import EngineError
from pipeline.settings import Section
from stages.detector.engine import RawBoxes, check_batch
from stages.detector.yolo_nas.card import ModelCard

if TYPE_CHECKING:
    import torch

_GPU_BATCH: Final = 16


class TorchEngine(Section):
    """The engine for NVIDIA GPUs, and for CPUs that OpenVINO doesn't know."""

    kind: Literal["torch"] = "torch"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto``: CUDA if there is a GPU."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of one inference on a CPU; torch's choice if not given."""
    max_batch: int | None = Field(default=None, ge=1, le=256)
    """Most images at once; 16 on a GPU if not given, 1 on a CPU, where batches gain nothing."""

    def build(self, model: str, input_size: tuple[int, int] | None = None) -> "TorchInference":
        """Return the engine for a model by name; ``input_size`` (height, width) replaces that of its card.

        Raises:
            ModelError: There is no such model, or its file is damaged.
            EngineError: CUDA is asked for and there is none.
        """
        import torch

        from stages.detector.yolo_nas.fuse import fused
        from stages.detector.yolo_nas.weights import load_model

        device = self._device()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        network, card = load_model(model)
        card = replace(card, input_size=input_size or card.input_size)
        max_batch = self.max_batch or (_GPU_BATCH if device == "cuda" else 1)
        engine = TorchInference(fused(network), card, device, max_batch)
        if device == "cuda":
            engine.warm_up()
        return engine

    def _device(self) -> Literal["cpu", "cuda"]:
        import torch

        present = torch.cuda.is_available()
        if self.device == "cuda" and not present:
            raise EngineError("device: cuda is set, but torch finds no CUDA GPU")
        return "cuda" if present and self.device != "cpu" else "cpu"


class TorchInference:
    """Runs a fused network, batch after batch, in one thread."""

    in_flight = 2  # one runs, the next is ready

    def __init__(self, network: "torch.nn.Module", card: ModelCard, device: str, max_batch: int) -> None:
        import torch

        self._network: torch.nn.Module | None = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._card = card
        self._device = device
        self._max_batch = max_batch
        self._worker = ThreadPoolExecutor(1, "torch")

    @property
    def name(self) -> str:
        return f"torch {self._device}"

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def max_batch(self) -> int:
        return self._max_batch

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        if self._network is None:
            raise EngineError("the engine is closed")
        check_batch(images, self._card, self._max_batch)
        return self._worker.submit(self._infer, self._network, images)

    def close(self) -> None:
        self._network = None
        self._worker.shutdown()

    def warm_up(self) -> None:
        """Run the largest batch once: CUDA picks its kernels and reserves its memory by the first one it sees."""
        grey = np.full((*self._card.input_size, 3), 114, np.uint8)
        self.submit([grey] * self._max_batch).result()

    def _infer(self, network: "torch.nn.Module", images: Sequence[NDArray[np.uint8]]) -> list[RawBoxes]:
        import torch

        if not images:
            return []
        # TF32 would move boxes by tenths of a pixel.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            # RGB by a flip of the channels; (B, H, W, 3) memory seen as (B, 3, H, W) is channels_last already.
            bgr = torch.from_numpy(np.stack(images)).to(self._device)
            boxes, scores = network(bgr.permute(0, 3, 1, 2).flip(1).float() / 255)
            boxes, scores = boxes.float().cpu().numpy(), scores.float().cpu().numpy()
        return [RawBoxes(*pair) for pair in zip(boxes, scores, strict=True)]
