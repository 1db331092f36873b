"""OpenVINO on the CPU: several inferences at once, each on one thread of its own, unless the hint is latency.

Measured on two cores: batches gain nothing, two single-image streams gain 10 %, and 40 % beside other work, where an
inference on two threads waits for the slower one. One thread per inference also makes results the same to the last bit
whatever the number of streams.

There is nothing to warm up, and the compiled model isn't kept, only the converted one: the first inference takes 5 %
longer than the others, and to compile takes 0.4 s for the demo and 0.7 s for L, where to read a compiled one would take
0.2 s and 0.4 s.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import EngineError
from pipeline.settings import Section
from stages.detector.cores import usable_cores
from stages.detector.engine import RawBoxes, check_batch
from stages.detector.int8.store import demand
from stages.detector.yolo_nas.card import ModelCard, locate, read_card
from stages.detector.yolo_nas.exported import largest_batch
from stages.detector.yolo_nas.ir import converted


class OpenVinoEngine(Section):
    """The engine for CPUs; a model is converted on its first use."""

    kind: Literal["openvino"] = "openvino"
    hint: Literal["throughput", "latency"] = "throughput"
    """``throughput``: several inferences at once; ``latency``: one, on all cores, which has its answer sooner."""
    streams: int = Field(default=0, ge=0, le=256)
    """Inferences at once, one thread each, or with ``latency`` threads of the one; 0 for one a core."""
    int8: bool = False
    """Whether to compute in 8-bit integers, by a network that ``detstream export --int8`` made."""
    cache_dir: Path = Path("~/.cache/detstream")
    """Where converted models are kept."""

    def build(self, model: str, input_size: tuple[int, int] | None = None) -> "OpenVinoInference":
        """Return the engine for a model by name; ``input_size`` (height, width) replaces that of its card.

        Raises:
            ModelError: There is no such model, or its file is damaged.
            EngineError: OpenVINO is missing or refuses the model, or the cache can't be written; or there is no INT8.
        """
        if not available():
            raise EngineError("OpenVINO isn't installed: pip install openvino")
        own = read_card(model)
        card = replace(own, input_size=input_size or own.input_size)
        path = self._network(model, card)
        if path == locate(model):
            largest_batch(path, OpenVinoInference.max_batch, resized=card != own)
        threads = self.streams or usable_cores()
        streams = threads if self.hint == "throughput" else 1
        where = f"openvino cpu{' int8' if self.int8 else ''}, {streams} x {_counted(threads // streams)}"
        return OpenVinoInference(_compiled(path, self.hint, streams, threads), card, streams, where)

    def _network(self, model: str, card: ModelCard) -> Path:
        if not self.int8:
            return converted(model, card, self.cache_dir.expanduser())
        return demand(self.cache_dir, "openvino", model, card)


class OpenVinoInference:
    """Runs a compiled model, one image per submit."""

    max_batch = 1

    def __init__(self, compiled: Any, card: ModelCard, streams: int, where: str) -> None:
        """``where`` is the name for people."""
        self._where = where
        self._card = card
        self._streams = streams
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())
        # A thread per stream does no more than wait; it makes errors reach the future.
        self._pool = ThreadPoolExecutor(streams, "openvino")
        self._closed = False

    @property
    def name(self) -> str:
        return self._where

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def in_flight(self) -> int:
        """One more than run at once: it is ready when the first is done."""
        return self._streams + 1

    @property
    def parallel(self) -> int:
        return self._streams

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        if self._closed:
            raise EngineError("the engine is closed")
        check_batch(images, self._card, self.max_batch)
        return self._pool.submit(self._infer_all, images)

    def close(self) -> None:
        self._closed = True
        self._pool.shutdown()
        while not self._requests.empty():
            self._requests.get()

    def _infer_all(self, images: Sequence[NDArray[np.uint8]]) -> list[RawBoxes]:
        return [self._infer(image) for image in images]

    def _infer(self, image: NDArray[np.uint8]) -> RawBoxes:
        from openvino import Tensor

        request = self._requests.get()
        batch = np.ascontiguousarray(image)[None]  # held until the end: a shared Tensor does not keep it alive
        try:
            request.set_input_tensor(Tensor(batch, shared_memory=True))
            request.start_async()
            request.wait()
            # Copies: the request's own memory is written again by the next inference.
            boxes, scores = (request.get_output_tensor(i).data[0].copy() for i in range(2))
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed on an image: {error}") from error
        finally:
            self._requests.put(request)
        return RawBoxes(boxes, scores)


def available() -> bool:
    """Return whether OpenVINO is installed, without importing it."""
    return find_spec("openvino") is not None


def _counted(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


@cache
def _core() -> Any:
    """Return OpenVINO's core, one for as long as the process lives.

    On CPUs with AMX its CPU plug-in gives the thread that loads it a stack for signals, and frees that with the last
    model. Of two whose lives overlap the wrong one stays, freed, and the next signal, a Ctrl-C, is a segmentation
    fault (seen with 2026.4).
    """
    import openvino

    return openvino.Core()


def _compiled(path: Path, hint: str, streams: int, threads: int) -> Any:
    config = {
        "PERFORMANCE_HINT": hint.upper(),
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # two processes would pin their threads to the same cores
    }
    try:
        return _core().compile_model(path, "CPU", config)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO can't compile {path}: {error}") from error
