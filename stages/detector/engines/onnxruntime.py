"""ONNX Runtime, on a CPU or on an NVIDIA GPU."""

from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from pipeline.errors import EngineError
from pipeline.settings import Section
from stages.detector.cores import usable_cores
from stages.detector.cuda import has_cuda
from stages.detector.onnx_session import Making, OnnxInference, open_session, prepare, providers

_CUDA: Final = "CUDAExecutionProvider"
_CPU: Final = "CPUExecutionProvider"
_GPU_BATCH: Final = 16


class OnnxRuntimeEngine(Section):
    """The engine that runs nearly everywhere; a model is converted on its first use."""

    kind: Literal["onnxruntime"] = "onnxruntime"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto``: CUDA if there is a GPU and the installed ONNX Runtime is for one."""
    streams: int = Field(default=0, ge=0, le=256)
    """Inferences at once on a CPU, one thread each; 0 for one a core."""
    max_batch: int | None = Field(default=None, ge=1, le=256)
    """Most images at once; 16 on a GPU if not given, 1 on a CPU, where batches gain nothing."""
    half: bool = False
    """Whether to compute in float16, on a GPU."""
    int8: bool = False
    """Whether to compute in 8-bit integers, on a CPU, by a network that ``detstream export --int8`` made."""
    cache_dir: Path = Path("~/.cache/detstream")
    """Where converted models are kept."""

    def build(self, model: str, input_size: tuple[int, int] | None = None) -> OnnxInference:
        """Return the engine for a model by name; ``input_size`` (height, width) replaces that of its card.

        Raises:
            ModelError: There is no such model, or its file is damaged.
            EngineError: ONNX Runtime or its CUDA part is missing or refuses the model, or the cache can't be written.
        """
        cuda = self._on_cuda()
        if self.half and not cuda:
            raise EngineError("half: true needs a GPU; on a CPU, ONNX Runtime computes in float32")
        if self.int8 and cuda:
            raise EngineError(
                "int8: true is for CPUs; on a GPU, ONNX Runtime computes in float: set half, or device: cpu"
            )
        max_batch = self.max_batch or (_GPU_BATCH if cuda else 1)
        make = Making(self.cache_dir.expanduser(), half=self.half, int8=self.int8)
        path, card, max_batch = prepare(model, input_size, make, max_batch)
        if not cuda:
            streams = self.streams or usable_cores()
            where = f"onnxruntime cpu{' int8' if self.int8 else ''}, {streams} x 1 thread"
            return OnnxInference(open_session(path, [(_CPU, {})]), card, where, streams=streams, max_batch=max_batch)
        # TF32 would move boxes by tenths of a pixel.
        session = open_session(path, [(_CUDA, {"use_tf32": "0"}), (_CPU, {})])
        engine = OnnxInference(session, card, "onnxruntime cuda", device="cuda", max_batch=max_batch)
        engine.warm_up()
        return engine

    def _on_cuda(self) -> bool:
        known = _CUDA in providers()
        if self.device == "cuda" and not known:
            raise EngineError(
                "device: cuda is set, but this ONNX Runtime is for CPUs: pip install 'detstream[onnx-gpu]'"
            )
        return known and (self.device == "cuda" or (self.device == "auto" and has_cuda()))
