"""ONNX Runtime: one session, used by one thread for each inference at once.

On a CPU an inference has one thread, as with OpenVINO: results are the same to the last bit whatever the number of
inferences at once.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import EngineError, ModelError
from stages.detector.engine import RawBoxes, check_batch
from stages.detector.int8.store import demand
from stages.detector.yolo_nas.card import ModelCard, locate, read_card
from stages.detector.yolo_nas.exported import is_onnx, largest_batch
from stages.detector.yolo_nas.onnx import INPUT, OUTPUTS, converted

_INPUT_TYPE: Final = "tensor(uint8)"
_ERRORS_ONLY: Final = 3
_CPU: Final = "CPUExecutionProvider"

Providers = Sequence[tuple[str, dict[str, str]]]
"""ONNX Runtime's names of what computes, best first, each with its options."""


class OnnxInference:
    """Runs an ONNX file; batches on a GPU are copied there and back by I/O binding."""

    def __init__(
        self, session: Any, card: ModelCard, where: str, *, device: str = "cpu", streams: int = 1, max_batch: int = 1
    ) -> None:
        """``where`` is the name for people; ``device`` is where input and output are, ``cpu`` or ``cuda``."""
        self._session: Any | None = session
        self._card = card
        self._where = where
        self._device = device
        self._streams = streams
        self._max_batch = max_batch
        self._pool = ThreadPoolExecutor(streams, "onnxruntime")

    @property
    def name(self) -> str:
        return self._where

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def max_batch(self) -> int:
        return self._max_batch

    @property
    def in_flight(self) -> int:
        """One more than run at once: it is ready when the first is done."""
        return self._streams + 1

    @property
    def parallel(self) -> int:
        return self._streams

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        if self._session is None:
            raise EngineError("the engine is closed")
        check_batch(images, self._card, self._max_batch)
        return self._pool.submit(self._infer, self._session, images)

    def close(self) -> None:
        self._session = None
        self._pool.shutdown()

    def warm_up(self) -> None:
        """Run the largest batch once: a GPU picks its kernels and reserves its memory by the first one it sees.

        Raises:
            EngineError: It failed; the engine is closed.
        """
        grey = np.full((*self._card.input_size, 3), 114, np.uint8)
        try:
            self.submit([grey] * self._max_batch).result()
        except EngineError:
            self.close()
            raise

    def _infer(self, session: Any, images: Sequence[NDArray[np.uint8]]) -> list[RawBoxes]:
        from onnxruntime import OrtValue

        if not images:
            return []
        batch = np.ascontiguousarray(images[0])[None] if len(images) == 1 else np.stack(images)
        try:
            binding = session.io_binding()
            binding.bind_ortvalue_input(INPUT, OrtValue.ortvalue_from_numpy(batch, self._device, 0))
            for name in OUTPUTS:
                binding.bind_output(name, self._device)
            session.run_with_iobinding(binding)
            boxes, scores = binding.copy_outputs_to_cpu()
        except Exception as error:  # its errors have no class in common
            raise EngineError(f"ONNX Runtime failed on {len(images)} images: {_first_line(error)}") from error
        return [RawBoxes(*pair) for pair in zip(boxes, scores, strict=True)]


def providers() -> tuple[str, ...]:
    """Return the names of what the installed ONNX Runtime can compute with.

    Raises:
        EngineError: It isn't installed.
    """
    if find_spec("onnxruntime") is None:
        raise EngineError(
            "ONNX Runtime isn't installed: pip install 'detstream[onnx]', for a GPU 'detstream[onnx-gpu]'"
        )
    import onnxruntime

    return tuple(onnxruntime.get_available_providers())


def open_session(path: Path, wanted: Providers) -> Any:
    """Return a session for images of bytes on the first of the providers, which must work.

    Raises:
        EngineError: ONNX Runtime refuses the file, or a provider.
        ModelError: The file holds another kind of network.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    if wanted[0][0] != _CPU:
        onnxruntime.preload_dlls()  # CUDA's and cuDNN's, from where torch has them
    names, settings = [name for name, _ in wanted], [dict(values) for _, values in wanted]
    try:
        session = onnxruntime.InferenceSession(path, options, providers=names, provider_options=settings)
    except Exception as error:  # its errors have no class in common
        raise EngineError(f"ONNX Runtime can't load {path}: {_first_line(error)}") from error
    if names[0] not in session.get_providers():
        raise EngineError(f"ONNX Runtime can't use {names[0]}: its libraries (CUDA, cuDNN, TensorRT) don't load")
    found = [(value.name, value.type) for value in session.get_inputs()]
    if found != [(INPUT, _INPUT_TYPE)] or tuple(value.name for value in session.get_outputs()) != OUTPUTS:
        raise ModelError(f"{path} has other inputs and outputs than `detstream export` without --nms gives")
    return session


@dataclass(frozen=True, slots=True)
class Making:
    """How to make the ONNX file of weights, and where to keep it."""

    cache: Path
    half: bool = False
    int8: bool = False
    """Whether to take the one in 8-bit integers, which must be there."""

    def file(self, model: str, card: ModelCard) -> tuple[Path, bool]:
        """Return the ONNX file of a model by name, and whether it takes batches of any size.

        Raises:
            ModelError: There is no such model, or its file is damaged.
            EngineError: It can't be converted, or there is none in 8-bit integers.
        """
        if self.int8:
            return demand(self.cache, "onnx", model, card), False
        return converted(model, card, self.cache, half=self.half), True


def prepare(
    model: str, input_size: tuple[int, int] | None, making: Making, max_batch: int
) -> tuple[Path, ModelCard, int]:
    """Return the ONNX file of a model by name, its card for ``input_size`` (height, width), and its largest batch.

    Raises:
        ModelError: There is no such model, or its file is damaged, or is exported for another size or batch.
        EngineError: It can't be converted, or there is none in 8-bit integers.
    """
    card = read_card(model)
    wanted = replace(card, input_size=input_size or card.input_size)
    file = locate(model)
    if is_onnx(file) and not making.int8:
        return file, wanted, largest_batch(file, max_batch, resized=wanted != card)
    path, any_batch = making.file(model, wanted)
    return path, wanted, max_batch if any_batch else 1


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
