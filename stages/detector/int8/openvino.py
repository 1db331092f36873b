"""INT8 for OpenVINO."""

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from stages.detector.int8.blocks import blocks, decoding
from stages.detector.int8.calibrated import calibrated

if TYPE_CHECKING:
    from onnx import ModelProto

_BARE: Final = "/WithoutBiases"
"""What OpenVINO appends to a convolution's name, where it adds the bias by a node of the name."""


class OpenVinoInt8:
    """A calibrated ``openvino.Model``; its nodes are called as those of the ONNX graph that it comes from."""

    def __init__(self, graph: "ModelProto", images: Sequence[NDArray[np.uint8]]) -> None:
        """Calibrate a graph for one image with images BGR uint8 (H, W, 3) of its input size.

        Raises:
            EngineError: A package is missing, or it refuses the graph.
        """
        self._blocks = blocks(graph)
        self._float = _converted(graph)
        self._owners = _owners(self._float, {node.name for node in graph.graph.node})
        self._int8 = calibrated(self._float.clone(), [image[None] for image in images], decoding(graph))

    @property
    def blocks(self) -> Sequence[str]:
        return tuple(self._blocks)

    def variant(self, in_float: Collection[str]) -> Any:
        graph = self._int8.clone()
        wanted = {name for block in in_float for name in self._blocks[block]}
        nodes = {node.get_friendly_name(): node for node in graph.get_ops()}
        for node in self._float.get_ordered_ops():
            if self._owners[node.get_friendly_name()] in wanted and node.get_type_name() != "Constant":
                _restore(nodes, node)
        return graph


def _owners(network: Any, names: Collection[str]) -> dict[str, str]:
    """Return, for each node by its name, which of the ONNX graph's nodes, by ``names``, it is made from.

    One that OpenVINO names itself, such as a transposed convolution before its bias, is a part of what takes from it.
    """
    owners: dict[str, str] = {}
    for node in reversed(network.get_ordered_ops()):
        name = node.get_friendly_name().removesuffix(_BARE)
        takers = (
            port.get_node().get_friendly_name() for output in node.outputs() for port in output.get_target_inputs()
        )
        owners[node.get_friendly_name()] = name if name in names else next((owners[taker] for taker in takers), "")
    return owners


def _restore(nodes: dict[str, Any], original: Any) -> None:
    """Give a node its float inputs again, and its weights and bias from before they were corrected for INT8."""
    from openvino import opset13

    node = nodes[original.get_friendly_name()]
    for i in range(original.get_input_size()):
        source = original.input_value(i)
        owner = source.get_node()
        if owner.get_type_name() == "Constant":
            fresh = opset13.constant(owner.data.copy(), owner.get_element_type())
            node.input(i).replace_source_output(fresh.output(0))
        else:
            node.input(i).replace_source_output(nodes[owner.get_friendly_name()].output(source.get_index()))


def _converted(graph: "ModelProto") -> Any:
    import openvino

    with tempfile.TemporaryDirectory(prefix="detstream-") as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(graph.SerializeToString())
        return openvino.convert_model(file)
