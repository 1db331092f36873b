"""NNCF, and what must be said to it.

The graph behind the last convolutions stays in float: it computes pixels, which have no 256 steps, and OpenVINO refuses
to compile it in INT8 ("[1,8400,8400] ... incompatible", OpenVINO 2026.4).
"""

import contextlib
import io
import logging
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from typing import Any

from pipeline.errors import EngineError
from stages.detector.int8.quantized import missing


def calibrated(graph: Any, images: Sequence[Any], in_float: Collection[str]) -> Any:
    """Return a graph in INT8, by post-training quantization, but for the nodes named ``in_float``.

    ``graph`` is an ``openvino.Model`` or an ``onnx.ModelProto``; ``images`` are inputs as NNCF wants them for it.

    Raises:
        EngineError: NNCF is missing, or fails.
    """
    if find_spec("nncf") is None:
        raise missing("NNCF")
    import nncf

    nncf.set_log_level(logging.ERROR)
    scope = nncf.IgnoredScope(names=list(in_float), validate=False)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it draws bars there
            return nncf.quantize(graph, nncf.Dataset(images), subset_size=len(images), ignored_scope=scope)
    except Exception as error:  # its own, OpenVINO's and ONNX Runtime's have no class in common
        raise EngineError(f"NNCF can't quantize the network: {error}") from error
