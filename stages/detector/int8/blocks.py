"""Which nodes of a YOLO-NAS graph belong together, by the names that tracing gave them.

A node is called after its module, as in ``/network/neck/neck1/blocks/conv3/Conv``.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_CONVOLUTIONS: Final = frozenset({"Conv", "ConvTranspose"})
_DEPTH: Final = 3
"""Of a block's name, as in ``backbone.stage1.blocks``, ``neck.neck1.conv`` or ``heads.head1.cls_pred``."""


def blocks(graph: "ModelProto") -> Mapping[str, tuple[str, ...]]:
    """Return the names of the nodes that may compute in INT8, by block, in the order of the graph.

    A node outside of all blocks, such as one that joins two, belongs to the block that comes after it.
    """
    after = set(decoding(graph))
    nodes = [node for node in graph.graph.node if node.name not in after]
    named = {_block(node.name) for node in nodes if node.op_type in _CONVOLUTIONS}
    found: dict[str, list[str]] = {}
    waiting: list[str] = []
    for node in nodes:
        waiting.append(node.name)
        if _block(node.name) in named:
            found.setdefault(_block(node.name), []).extend(waiting)
            waiting.clear()
    return {block: tuple(names) for block, names in found.items()}


def decoding(graph: "ModelProto") -> tuple[str, ...]:
    """Return the names of the nodes behind the last convolutions, which turn their output into boxes and scores."""
    return tuple(dict.fromkeys(node.name for node in _behind(graph)))


def _behind(graph: "ModelProto") -> Iterator["NodeProto"]:
    producers = {output: node for node in graph.graph.node for output in node.output}
    waiting = [producers[output.name] for output in graph.graph.output]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node.op_type in _CONVOLUTIONS or node.name in seen:
            continue
        seen.add(node.name)
        yield node
        waiting += [producers[name] for name in node.input if name in producers]


def _block(name: str) -> str:
    """Return the name of the module that a node is in, down to the depth of a block."""
    return ".".join(name.split("/")[2:-1][:_DEPTH])  # without "", "network" and the operation's own name
