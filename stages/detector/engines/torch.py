"""PyTorch: on a GPU where there is one, or on the CPU."""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import EngineError
from pipeline.settings import Section
from stages.detector.engine import Engine, RawBoxes, check_batch
from stages.detector.wanted import Wanted
from stages.detector.yolo_nas.card import ModelCard

if TYPE_CHECKING:
    import torch

_GPU_BATCH: Final = 16
_NO_MEMORY: Final = ("DefaultCPUAllocator", "ALLOC_FAILED")
"""In the words of torch's allocator on a CPU, of cuBLAS and of cuDNN; where CUDA has none, torch has a class for it."""


class TorchEngine(Section):
    """The engine for NVIDIA GPUs, and for CPUs that OpenVINO doesn't know."""

    kind: Literal["torch"] = "torch"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto``: CUDA if there is a GPU."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of one inference on a CPU; torch's choice if not given."""
    max_batch: int | None = Field(default=None, ge=1, le=256)
    """Most images at once; if not given 16 on a GPU, 1 on a CPU.

    There, 4 at once gain nothing for S at 640x640, and 70 % for N at 320x320.
    """
    half: bool = False
    """Whether to compute in float16, on a GPU."""

    def build(self, model: str, input_size: tuple[int, int] | None = None) -> "TorchInference":
        """Return the engine for a model by name, warm; ``input_size`` (height, width) replaces that of its card.

        Raises:
            ModelError: There is no such model, or its file is damaged.
            EngineError: CUDA or float16 is asked for and there is none, or the model is too large for the device.
        """
        import torch

        from stages.detector.yolo_nas.fuse import fused
        from stages.detector.yolo_nas.half import halved
        from stages.detector.yolo_nas.weights import load_model

        device = self._device()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        network, card = load_model(model)
        card = replace(card, input_size=input_size or card.input_size)
        max_batch = self.max_batch or (_GPU_BATCH if device == "cuda" else 1)
        fast = halved(fused(network)) if self.half else fused(network)
        engine = TorchInference(fast, card, device, max_batch, half=self.half)
        engine.warm_up()
        return engine

    def _device(self) -> Literal["cpu", "cuda"]:
        import torch

        present = torch.cuda.is_available()
        if self.device == "cuda" and not present:
            raise EngineError("device: cuda is set, but torch finds no CUDA GPU")
        if self.half and (self.device == "cpu" or not present):
            raise EngineError("half: true needs a GPU; on a CPU, torch computes in float32")
        return "cuda" if present and self.device != "cpu" else "cpu"


class TorchInference:
    """Runs a fused network, batch after batch, in one thread."""

    in_flight = 2  # one runs, the next is ready
    parallel = 1

    def __init__(
        self, network: "torch.nn.Module", card: ModelCard, device: str, max_batch: int, *, half: bool = False
    ) -> None:
        """``half`` if the network takes float16.

        Raises:
            EngineError: The network is too large for the device.
        """
        import torch

        self._card = card
        self._device = device
        self._max_batch = max_batch
        self._half = half
        with _refusals(self._told(0)):
            self._network: torch.nn.Module | None = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._worker = ThreadPoolExecutor(1, "torch")

    @property
    def name(self) -> str:
        return f"torch {self._device}{', float16' if self._half else ''}"

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def max_batch(self) -> int:
        return self._max_batch

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        return self.submit_narrowed(images, None)

    def submit_narrowed(self, images: Sequence[NDArray[np.uint8]], wanted: Wanted | None) -> Future[list[RawBoxes]]:
        """Start on a batch as ``submit`` does; its results hold only what is wanted."""
        if self._network is None:
            raise EngineError("the engine is closed")
        check_batch(images, self._card, self._max_batch)
        return self._worker.submit(self._infer, self._network, images, wanted)

    def narrowed(self, top_k: int, classes: Collection[int] | None) -> Engine:
        """Return this engine with less to copy from the GPU: what it has on a CPU lies where it is needed already."""
        if self._device == "cpu":
            return self
        return NarrowTorchInference(self, Wanted(top_k, None if classes is None else tuple(sorted(classes))))

    def close(self) -> None:
        self._network = None
        self._worker.shutdown()

    def warm_up(self) -> None:
        """Run the largest batch once: a GPU picks its kernels and reserves its memory by the first one it sees.

        Raises:
            EngineError: It failed, as where memory is short; the engine is closed.
        """
        grey = np.full((*self._card.input_size, 3), 114, np.uint8)
        try:
            self.submit([grey] * self._max_batch).result()
        except EngineError:
            self.close()
            raise

    def _infer(
        self, network: "torch.nn.Module", images: Sequence[NDArray[np.uint8]], wanted: Wanted | None
    ) -> list[RawBoxes]:
        import torch

        if not images:
            return []
        # TF32 would move boxes by tenths of a pixel.
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with _refusals(self._told(len(images))), torch.inference_mode(), exact:
            boxes, scores = network(self._uploaded(images))
            if wanted is not None:
                boxes, scores = wanted.pick(boxes, scores)
            boxes, scores = boxes.float().cpu().numpy(), scores.float().cpu().numpy()
        return [RawBoxes(*pair) for pair in zip(boxes, scores, strict=True)]

    def _uploaded(self, images: Sequence[NDArray[np.uint8]]) -> "torch.Tensor":
        """Return images as the network takes them: RGB in [0, 1], (B, 3, H, W), on the device."""
        import torch

        shape = (len(images), *images[0].shape)
        host = torch.empty(shape, dtype=torch.uint8, pin_memory=self._device == "cuda")  # pinned: copied without a copy
        np.stack(images, out=host.numpy())
        bgr = host.to(self._device, non_blocking=True)
        # RGB by a flip of the channels; (B, H, W, 3) memory seen as (B, 3, H, W) is channels_last already.
        rgb = bgr.permute(0, 3, 1, 2).flip(1).float() / 255
        return rgb.half() if self._half else rgb

    def _told(self, batch: int) -> str:
        height, width = self._card.input_size
        what = f"YOLO-NAS {self._card.layout.upper()} at {height}x{width}"
        return f"{what}, {batch} images at once, on {self._device}" if batch else f"{what} on {self._device}"


class NarrowTorchInference:
    """Another's inference, of whose results only some are handed out."""

    def __init__(self, whole: TorchInference, wanted: Wanted) -> None:
        self._whole, self._wanted = whole, wanted
        self.name, self.card = whole.name, whole.card
        self.max_batch, self.in_flight, self.parallel = whole.max_batch, whole.in_flight, whole.parallel

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        return self._whole.submit_narrowed(images, self._wanted)

    def close(self) -> None:
        self._whole.close()


@contextmanager
def _refusals(told: str) -> Iterator[None]:
    """Turn what torch raises into an EngineError that names the model and the device."""
    import torch

    try:
        yield
    except (RuntimeError, MemoryError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in reason for word in _NO_MEMORY):
            advice = "choose a smaller --imgsz, a smaller model or a smaller detector.engine.max_batch"
            raise EngineError(f"{told}: not enough memory: {advice}") from error
        raise EngineError(f"torch failed: {told}: {reason:.300}") from error
