"""NVIDIA's TensorRT, by ONNX Runtime."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from pipeline.errors import EngineError
from pipeline.settings import Section
from stages.detector.onnx_session import Making, OnnxInference, Providers, open_session, prepare, providers
from stages.detector.yolo_nas.card import ModelCard, fingerprint
from stages.detector.yolo_nas.onnx import INPUT

_PROVIDER: Final = "TensorrtExecutionProvider"


class TensorRtEngine(Section):
    """The fastest engine for NVIDIA GPUs; the first start takes minutes, in which TensorRT picks its kernels."""

    kind: Literal["tensorrt"] = "tensorrt"
    max_batch: int = Field(default=16, ge=1, le=256)
    """Most images at once."""
    half: bool = False
    """Whether to compute in float16."""
    cache_dir: Path = Path("~/.cache/detstream")
    """Where converted models and TensorRT's engines are kept."""

    def build(self, model: str, input_size: tuple[int, int] | None = None) -> OnnxInference:
        """Return the engine for a model by name; ``input_size`` (height, width) replaces that of its card.

        Raises:
            ModelError: There is no such model, or its file is damaged.
            EngineError: ONNX Runtime or TensorRT is missing or refuses the model, or the cache can't be written.
        """
        if _PROVIDER not in providers():
            raise EngineError("this ONNX Runtime doesn't know TensorRT: pip install 'detstream[onnx-gpu]' tensorrt")
        making = Making(self.cache_dir.expanduser(), half=self.half)
        path, card, max_batch = prepare(model, input_size, making, self.max_batch)
        if find_spec("tensorrt"):
            import_module("tensorrt")  # loads the libraries of its package, which ONNX Runtime looks for elsewhere
        session = open_session(path, self.providers(card, max_batch, self._kept(path)))
        engine = OnnxInference(session, card, "tensorrt, by onnxruntime", device="cuda", max_batch=max_batch)
        engine.warm_up()
        return engine

    def _kept(self, path: Path) -> Path:
        """Make a folder of the file's own: by itself ONNX Runtime takes the engine of other weights for a file's."""
        folder = self.cache_dir.expanduser() / "tensorrt" / fingerprint(str(path))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(f"the cache of TensorRT's engines {folder} can't be written: {error.strerror}") from error
        return folder

    def providers(self, card: ModelCard, max_batch: int, kept: Path) -> Providers:
        """Return what computes, best first: TensorRT, whose engines are in ``kept``, and CUDA for what it refuses."""
        height, width = card.input_size
        options = {
            "trt_fp16_enable": str(self.half),
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(kept),
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": str(kept),
            # One range of batches: else it builds anew for every size of batch that it meets.
            "trt_profile_min_shapes": f"{INPUT}:1x{height}x{width}x3",
            "trt_profile_opt_shapes": f"{INPUT}:{max_batch}x{height}x{width}x3",
            "trt_profile_max_shapes": f"{INPUT}:{max_batch}x{height}x{width}x3",
        }
        return [(_PROVIDER, options), ("CUDAExecutionProvider", {"use_tf32": "0"}), ("CPUExecutionProvider", {})]
