"""INT8 for ONNX Runtime: pairs of QuantizeLinear and DequantizeLinear (QDQ)."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stages.detector.int8.blocks import blocks, decoding
from stages.detector.int8.calibrated import calibrated
from stages.detector.yolo_nas.onnx import INPUT

if TYPE_CHECKING:
    from onnx import ModelProto


class OnnxInt8:
    """A calibrated ``onnx.ModelProto``."""

    def __init__(self, graph: "ModelProto", images: Sequence[NDArray[np.uint8]]) -> None:
        """Calibrate a graph for one image with images BGR uint8 (H, W, 3) of its input size.

        Raises:
            EngineError: A package is missing, or it refuses the graph.
        """
        self._blocks = blocks(graph)
        self._float = graph
        self._int8 = calibrated(graph, [{INPUT: image[None]} for image in images], decoding(graph))

    @property
    def blocks(self) -> Sequence[str]:
        return tuple(self._blocks)

    def variant(self, in_float: Collection[str]) -> "ModelProto":
        import onnx

        graph = onnx.ModelProto()
        graph.CopyFrom(self._int8)
        wanted = {name for block in in_float for name in self._blocks[block]}
        inputs = {node.name: node.input for node in self._float.graph.node if node.name in wanted}
        for node in graph.graph.node:
            if node.name in inputs:
                node.input[:] = inputs[node.name]
        _add_weights(graph, self._float)
        _drop_unused(graph)
        return graph


def _add_weights(graph: "ModelProto", original: "ModelProto") -> None:
    """Add the float weights, those changed for INT8 too, which the restored nodes take again."""
    ours = {tensor.name: tensor for tensor in original.graph.initializer}
    kept = [tensor for tensor in graph.graph.initializer if tensor.name not in ours]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend([*kept, *ours.values()])


def _drop_unused(graph: "ModelProto") -> None:
    used = {output.name for output in graph.graph.output}
    nodes = []
    for node in reversed(graph.graph.node):  # sorted: a node comes after those that it takes from
        if used.intersection(node.output):
            nodes.append(node)
            used.update(node.input)
    tensors = [tensor for tensor in graph.graph.initializer if tensor.name in used]
    del graph.graph.node[:], graph.graph.initializer[:]
    graph.graph.node.extend(reversed(nodes))
    graph.graph.initializer.extend(tensors)
