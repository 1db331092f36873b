"""A network whose blocks compute in INT8 or in float, as one likes."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from pipeline.errors import EngineError


class Quantized(Protocol):
    """A calibrated network: calibrated once, written in many variants."""

    @property
    def blocks(self) -> Sequence[str]:
        """Names of the blocks that may be either, in the order of the network."""

    def variant(self, in_float: Collection[str]) -> Any:
        """Return the graph (``openvino.Model`` or ``onnx.ModelProto``) with these blocks in float, the rest in INT8."""


def missing(package: str) -> EngineError:
    """Return what to raise where a package is missing."""
    return EngineError(f"for INT8, {package} is needed: pip install 'detstream[int8]'")
